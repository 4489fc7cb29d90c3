"""Typed functions from a plan: what a type checker catches, and what they track."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import kizashi
from kizashi._commands._cli import main
from kizashi._commands._typed_events import ARGUMENTS, function_names, render_module
from kizashi.testing import MemoryTransport
from kizashi_schemas.plan import load_plan

ROOT = Path(__file__).parents[3]
PLAN = """
currency = "JPY"
rates = { USD = 150 }
[events.mv_add_to_cart]
value = 300
counting = "once"
owner = "成長チーム"
review_by = 2027-02-01
description = "商品をかごに入れた"
[events.purchase]
final = true
[events.mv_tip]
value = "event"
[events.request_documents]
final = true
value = 5000
"""
ONE_CURRENCY = PLAN.replace("rates = { USD = 150 }", "")
AWKWARD = '''
currency = "JPY"
rates = { EUR = 160.5, USD = 150, GBP = 190, CHF = 170, CAD = 110, AUD = 100, NZD = 90, SEK = 15, NOK = 14, DKK = 23 }
[events.class]
description = """It "ends" here. \\"\\"\\"
import os; os.abort()  # \\\\"""
[events.class_]
owner = "ends with a quote\\""
[events.print]
description = "\\"\\"\\""
[events.str]
owner = "back\\\\slash \\\\"
[events.kizashi]
description = "行は長くても折り返される。「カッコ」は行の頭に来ない。全角の文字は二つ分の幅である。"
[events.datetime]
description = "\\u202e reordered \\u0007 \\r\\n\\t and more"
[events.purchase]
final = true
[events.retract_purchase]
[events.mv_of_a_name_that_is_exactly_as_long_as_a_name_may_be_in_a_pla_n]
description = "        "
'''


@pytest.fixture(scope="module")
def python_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the generated modules of two plans."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "events.py").write_text(render_module(load_plan(PLAN)), encoding="utf-8")
    (folder / "yen.py").write_text(render_module(load_plan(ONE_CURRENCY)), encoding="utf-8")
    (folder / "awkward.py").write_text(render_module(load_plan(AWKWARD)), encoding="utf-8")
    return folder


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def mypy(folder: Path, *files: str) -> list[str]:
    """What mypy in strict mode says of files, without its summary."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary"]
    command += ["--cache-dir", str(folder / ".mypy_cache"), *files]
    path = f"{ROOT / 'sdk'}:{ROOT / 'schemas'}:{folder}"
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"MYPYPATH": path, "PATH": ""}
    )
    assert result.returncode in (0, 1), result.stdout + result.stderr
    return result.stdout.splitlines()


CALLS = """
import events
import yen
from decimal import Decimal
events.mv_add_to_cart(actor="v-1", properties={"sku": "A-1"})
events.purchase(value="12800", currency="JPY", order="A-1")
events.purchase(value=Decimal("12.5"), currency="USD", order=None)
events.mv_tip(value=1, currency="USD")
events.request_documents()
events.restate_purchase(order=1, value=9800, currency="JPY")
events.retract_purchase(order=1)
yen.purchase(value=1, order=2)
events.mv_add_to_crat()  # has no attribute "mv_add_to_crat"
events.purchase(currency="JPY", order="A-1")  # Missing named argument "value"
events.purchase(value=None, currency="JPY", order="A-1")  # Argument "value"
events.purchase(value=1, currency="EUR", order="A-1")  # Argument "currency"
events.purchase(value=1, order="A-1")  # Missing named argument "currency"
events.purchase(value=1, currency="JPY")  # Missing named argument "order"
events.mv_tip()  # Missing named argument "value"
events.mv_add_to_cart(value=1, currency="YEN")  # Argument "currency"
events.mv_add_to_cart("v-1")  # Too many positional arguments
events.mv_add_to_cart(acter="v-1")  # Unexpected keyword argument "acter"
events.retract_purchase()  # Missing named argument "order"
yen.purchase(value=1, currency="USD", order=2)  # Argument "currency"
"""


def test_a_type_checker_catches_what_the_plan_knows_and_nothing_else(python_path: Path) -> None:
    (python_path / "caller.py").write_text(CALLS, encoding="utf-8")
    said: dict[int, str] = {}
    for line in mypy(python_path, "caller.py", "events.py", "yen.py", "awkward.py"):
        match = re.fullmatch(r"(\w+\.py):(\d+): (error|note): (.*)", line)
        assert match is not None, line
        assert match[1] == "caller.py", line
        said.setdefault(int(match[2]), match[4])
    expected = {
        number: line.partition("  # ")[2] for number, line in enumerate(CALLS.splitlines(), 1) if "  # " in line
    }
    assert said.keys() == expected.keys()
    assert [number for number, words in expected.items() if words not in said[number]] == []


def test_what_was_generated_is_formatted_and_passes_the_linter(python_path: Path) -> None:
    ruff = [sys.executable, "-m", "ruff"]
    names = ["events.py", "yen.py", "awkward.py"]
    for width in ("88", "100", "120"):
        options = ["--isolated", "--no-cache", "--diff", "--line-length", width, *names]
        result = subprocess.run(
            [*ruff, "format", *options], cwd=python_path, capture_output=True, text=True, check=False
        )
        assert (result.returncode, result.stdout) == (0, "")
    # The house's own rules, and not only the comment that switches all of them off.
    options = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "--ignore-noqa", "--ignore=D,RUF022,E501"]
    result = subprocess.run(
        [*ruff, "check", *options, *names], cwd=python_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
    result = subprocess.run(
        [*ruff, "check", "--isolated", "--no-cache", "--select", "ALL", *names],
        cwd=python_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout


def test_the_functions_track_what_they_are_called_with(python_path: Path) -> None:
    events = load(python_path / "events.py")
    transport = MemoryTransport()
    kizashi.configure(transport=transport, strict=True)
    try:
        with kizashi.context(actor="v-1"):
            events.mv_add_to_cart(properties={"sku": "A-1"}, session="s-1", source={"campaign": "brand"})
            events.purchase(value="12.85", currency="USD", order="A-1", idempotency_key="k", consent={"ads": True})
            events.restate_purchase(order="A-1", value=9, currency="USD", time=1_790_000_000_000)
            events.retract_purchase(order="A-1")
        assert kizashi.flush()
    finally:
        kizashi.close()
    cart, sale, restated, retracted = transport.events
    assert (cart.name, cart.properties, cart.session, cart.source, cart.value, cart.currency) == (
        *("mv_add_to_cart", {"sku": "A-1"}, "s-1", {"campaign": "brand"}),
        *(None, None),
    )
    assert (sale.name, str(sale.value), sale.currency, sale.order) == ("purchase", "12.85", "USD", "A-1")
    assert sale.consent == {"ads": True}
    assert (restated.name, restated.adjust, restated.order, restated.time) == (
        *("purchase", "restate", "A-1"),
        1_790_000_000_000,
    )
    assert (retracted.name, retracted.adjust, retracted.value) == ("purchase", "retract", None)


def test_one_currency_goes_without_saying(python_path: Path) -> None:
    yen = load(python_path / "yen.py")
    transport = MemoryTransport()
    kizashi.configure(transport=transport, strict=True)
    try:
        yen.purchase(actor="v-1", value=980, order=None)
        assert kizashi.flush()
    finally:
        kizashi.close()
    assert [(str(event.value), event.currency) for event in transport.events] == [("980", "JPY")]


def test_the_plans_texts_are_the_docstrings(python_path: Path) -> None:
    events = load(python_path / "events.py")
    told = inspect.getdoc(events.mv_add_to_cart)
    assert told is not None
    assert told.splitlines()[0] == "商品をかごに入れた"
    for words in ("secondary", "300 JPY", "first of an actor", "成長チーム", "2027-02-01"):
        assert words in told
    assert "Final conversion" in (inspect.getdoc(events.purchase) or "")


def test_the_arguments_are_those_of_track() -> None:
    parameters = inspect.signature(kizashi.track).parameters
    assert next(iter(parameters)) == "name"
    told = {name: parameter.annotation.replace("'", '"') for name, parameter in parameters.items() if name != "name"}
    assert told == ARGUMENTS


def test_no_text_of_a_plan_leaves_its_docstring(python_path: Path) -> None:
    path = python_path / "awkward.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plan = load_plan(AWKWARD)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(functions) == len(plan.events) + 2
    for function in functions:
        assert [type(node) for node in function.body] == [ast.Expr, ast.Expr]  # a docstring, and the call
        assert ast.get_docstring(function)
    assert {ast.get_docstring(function) for function in functions} >= {
        'It "ends" here. """ import os; os.abort()  # \\'.replace("  #", " #")
        + "\n\nMicro-conversion, secondary; no value is declared; every one counts."
    }
    assert "\u202e" not in path.read_text(encoding="utf-8")
    assert "\u202e" in (inspect.getdoc(load(path).datetime_) or "")


def test_names_that_python_needs_itself_get_an_underscore() -> None:
    assert function_names(load_plan(AWKWARD)) == {
        "class__": "class",  # class_ is an event of its own
        "class_": "class_",
        "print_": "print",
        "str_": "str",
        "kizashi_": "kizashi",
        "datetime_": "datetime",
        "purchase": "purchase",
        "retract_purchase": "retract_purchase",
        "mv_of_a_name_that_is_exactly_as_long_as_a_name_may_be_in_a_pla_n": (
            "mv_of_a_name_that_is_exactly_as_long_as_a_name_may_be_in_a_pla_n"
        ),
        "restate_purchase": "purchase",
        "retract_purchase_": "purchase",
    }


def test_a_plan_without_events_is_a_module_without_functions(tmp_path: Path) -> None:
    (tmp_path / "none.py").write_text(render_module(load_plan('currency = "JPY"')), encoding="utf-8")
    assert load(tmp_path / "none.py").__all__ == ["Currency"]


def write_plan(folder: Path, text: str = PLAN) -> Path:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_writes_and_prints_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, out = write_plan(tmp_path), tmp_path / "events.py"
    assert main(["plan", "codegen", str(plan), "-o", str(out)]) == 0
    assert capsys.readouterr().out.startswith(f"wrote {out}: 4 events of plan ")
    text = out.read_text(encoding="utf-8")
    assert text.startswith(f"# generated by kizashi plan codegen from plan {load_plan(PLAN).id}; do not edit\n")
    assert main(["plan", "codegen", str(plan), "-o", "-"]) == 0
    assert capsys.readouterr().out == text
    assert main(["plan", "codegen", str(plan), "--output", str(out)]) == 0
    assert capsys.readouterr().out.startswith("OK ")


def test_check_tells_a_stale_module_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, out = write_plan(tmp_path), tmp_path / "events.py"
    command = ["plan", "codegen", str(plan), "-o", str(out)]
    assert main([*command, "--check"]) == 1
    assert "is missing; write it anew" in capsys.readouterr().err
    assert not out.exists()
    assert main(command) == 0
    assert main([*command, "--check"]) == 0
    out.write_bytes(out.read_bytes().replace(b"\n", b"\r\n"))  # as a checkout on Windows has it
    assert main([*command, "--check"]) == 0
    write_plan(tmp_path, PLAN.replace("300", "350"))
    before = out.read_bytes()
    capsys.readouterr()
    assert main([*command, "--check"]) == 1
    assert "is stale" in capsys.readouterr().err
    assert out.read_bytes() == before
    assert main(command) == 0
    assert main([*command, "--check"]) == 0


@pytest.mark.parametrize("content", [b"print('mine')\n", b"\xff\xfe"])
def test_a_file_that_somebody_wrote_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    out = tmp_path / "app.py"
    out.write_bytes(content)
    assert main(["plan", "codegen", str(write_plan(tmp_path)), "-o", str(out)]) == 2
    assert "was not written by this command" in capsys.readouterr().err
    assert out.read_bytes() == content


def test_wrong_use_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = write_plan(tmp_path)
    assert main(["plan", "codegen", str(plan), "-o", "-", "--check"]) == 2
    assert main(["plan", "codegen", str(plan), "-o", str(tmp_path)]) == 2
    assert main(["plan", "codegen", str(plan), "-o", str(tmp_path / "none" / "events.py")]) == 2
    assert "name a file" in capsys.readouterr().err
    assert main(["plan", "codegen", str(tmp_path / "none.toml"), "-o", "-"]) == 1
    assert main(["plan", "codegen", str(write_plan(tmp_path, 'currency = "YEN"')), "-o", "-"]) == 1


def test_the_example_plan_makes_a_module_that_its_type_checker_takes(tmp_path: Path) -> None:
    assert main(["plan", "codegen", str(ROOT / "examples" / "plan.toml"), "-o", str(tmp_path / "events.py")]) == 0
    assert mypy(tmp_path, "events.py") == []
