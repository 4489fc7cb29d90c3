"""Calls of track() in other people's files, held to a plan."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kizashi._commands._cli import main
from kizashi._commands._lint import Finding, Linted, lint, python_files
from kizashi._commands._typed_events import render_module
from kizashi_schemas.plan import Plan, load_plan

ROOT = Path(__file__).parents[3]
PLAN = """
currency = "JPY"
rates = { USD = 150 }
[events.mv_view]
[events.mv_add_to_cart]
value = 300
[events.purchase]
final = true
"""
HEAD = """
import functools
from functools import partial
import kizashi
import kizashi as k
import kizashi.django
import kizashi.sqlalchemy as ks
from kizashi import Client, configure, track, track as t
from kizashi.django import track_on_commit
from kizashi import sqlalchemy
"""


@pytest.fixture
def plan() -> Plan:
    return load_plan(PLAN)


def linted(folder: Path, code: str, plan: Plan) -> Linted:
    path = folder / "code.py"
    path.write_text(code, encoding="utf-8")
    return lint([path], plan)


def codes(folder: Path, code: str, plan: Plan) -> list[str]:
    return [finding.code for finding in linted(folder, code, plan).findings]


@pytest.mark.parametrize(
    "call",
    [
        'kizashi.track("mv_veiw")',
        'k.track("mv_veiw", actor="v-1")',
        'track("mv_veiw")',
        't("mv_veiw")',
        'track(name="mv_veiw")',
        'track_on_commit("mv_veiw", using="default")',
        'kizashi.django.track_on_commit("mv_veiw")',
        'ks.track_on_commit(session, "mv_veiw", session="s-1")',
        'sqlalchemy.track_on_commit(session, name="mv_veiw")',
        'partial(kizashi.track, "mv_veiw")',
        'functools.partial(t, "mv_veiw")',
        'Client().track("mv_veiw")',
        'kizashi.configure().track("mv_veiw")',
        'client = kizashi.Client(endpoint="http://c")\nclient.track("mv_veiw")',
        'client: Client | None = None\ndef f():\n    client.track("mv_veiw")',
        'with Client() as c:\n    c.track("mv_veiw")',
        'async def f():\n    async with lock:\n        if (c := configure()):\n            c.track("mv_veiw")',
        'def f(c: "kizashi.Client"):\n    return lambda: c.track("mv_veiw")',
        "class A:\n    def __init__(self, c=None):\n        self.c = c or Client()\n    def f(self):\n        "
        'self.c.track("mv_veiw")',
        'class A:\n    c = Client()\n    def f(self):\n        self.c.track("mv_veiw")',
        'app.c = Client()\napp.c.track("mv_veiw")',
        'def f():\n    global c\n    c = Client()\ndef g():\n    c.track("mv_veiw")',
        'try:\n    from kizashi import track as u\nexcept ImportError:\n    u = None\nu("mv_veiw")',
        'def f():\n    from kizashi import track as inner\n    inner("mv_veiw")',
        'from kizashi import *\ntrack("mv_veiw")',
        'send = kizashi.track\nsend("mv_veiw")',
        '@decorated(track("mv_veiw"))\ndef f(a=track): ...',
        'x = [track("mv_veiw") for _ in range(3)]',
    ],
)
def test_an_unknown_event_is_found_however_track_is_reached(tmp_path: Path, plan: Plan, call: str) -> None:
    (finding,) = linted(tmp_path, HEAD + call, plan).findings
    assert (finding.code, finding.message) == (
        "unplanned",
        "mv_veiw is not in the plan; did you mean mv_view? Else add [events.mv_veiw]",
    )
    line = (HEAD + call).split("\n")[finding.line - 1]
    assert line[finding.column - 1 :].startswith('"mv_veiw"')


@pytest.mark.parametrize(
    "call",
    [
        'other.track("nope")',
        'def f(track):\n    track("nope")',
        'def f(kizashi):\n    kizashi.track("nope")',
        'def f():\n    from elsewhere import track\n    track("nope")',
        'def f():\n    track = print\n    track("nope")',
        'client = redis.Client()\nclient.track("nope")',
        'client = kizashi.Client()\ndef f(client: Other):\n    client.track("nope")',
        "class A:\n    def f(self):\n        self.c = Client()\nclass B:\n    def f(self):\n        "
        'self.c.track("nope")',
        'class A:\n    def track(self, name): ...\n    def f(self):\n        self.track("nope")',
        'kizashi.flush(2.0)\nkizashi.context(actor="v-1")',
        'partial(other, "nope")',
        "x = x\nx.track('nope')",
    ],
)
def test_what_is_not_kizashis_is_left_alone(tmp_path: Path, plan: Plan, call: str) -> None:
    found = linted(tmp_path, HEAD + call, plan)
    assert (found.findings, found.cannot_tell, found.calls) == ([], [], 0)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ('track("mv_view")', []),
        ('track("purchase", value=1200, currency="JPY", order="A-1")', []),
        ('track("purchase", value="12.50", currency="USD", order=1)', []),
        ('track("purchase", value=price, currency=currency)', []),
        ('track("purchase", value=12.5, currency=currency)', []),
        ('track("purchase", adjust="retract", order="A-1")', []),
        ('track("purchase", adjust="restate", order="A-1", value=3)', []),
        ('track("purchase", adjust=how, order="A-1")', []),
        ('track("purchase", **details)', []),
        ('partial(track, "purchase")', []),
        ('track("mv_view", properties={"sku": 1, **more, key: 2}, source=dict(a=1))', []),
        ('track("purchase")', ["no_value"]),
        ('track("purchase", value=None, order="A-1")', ["no_value"]),
        ('track("purchase", value=None, **details)', ["no_value"]),
        ('track("mv_view", value=1, currency="EUR")', ["bad_currency"]),
        ('track("mv_view", value=1, currency="jpy")', ["bad_currency"]),
        ('track("mv_view", value=12.5, currency="EUR")', ["bad_currency"]),
        ('track("purchase", value=12.5)', ["bad_value"]),
        ('track("purchase", value=-1)', ["bad_value"]),
        ('track("purchase", value="1e3")', ["bad_value"]),
        ('track("purchase", value="¥5")', ["bad_value"]),
        ('track("purchase", value=True)', ["bad_value"]),
        ('track("purchase", value=b"5")', ["bad_value"]),
        ('track("purchase", value=0x' + "f" * 9_000 + ")", ["bad_value"]),
        ('track("mv_view", properites={})', ["bad_argument"]),
        ('track("mv_view", using="default")', ["bad_argument"]),
        ('track("mv_view", "v-1")', ["bad_argument"]),
        ("track()", ["bad_argument"]),
        ('ks.track_on_commit("mv_view")', ["bad_argument"]),
        ('track("mv_view", adjust="undo", order="A-1")', ["bad_argument"]),
        ('track("mv_view", adjust="retract")', ["bad_argument"]),
        ('track("mv_view", adjust="restate", order="A-1")', ["no_value"]),
        ('track("mv_view", properties={"SKU": 1})', ["bad_name"]),
        ('track("mv_view", source={1: "x"}, consent={"the ads": True})', ["bad_name", "bad_name"]),
        ('track("AddToCart")', ["bad_name"]),
        ('track("商品")', ["bad_name"]),
        ("track(None)", ["bad_name"]),
        ('track("x" "y", value=-1, currency="EUR")', ["unplanned", "bad_currency", "bad_value"]),
    ],
)
def test_each_fault_has_its_code(tmp_path: Path, plan: Plan, call: str, expected: list[str]) -> None:
    assert codes(tmp_path, HEAD + call, plan) == expected


@pytest.mark.parametrize("call", ["track(name)", 'track(f"mv_{x}")', 'track("mv_" + x)', "track(*args)", "track(**kw)"])
def test_what_only_running_tells_is_said_when_asked(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    found = linted(tmp_path, HEAD + call, plan)
    assert found.findings == []
    (unknown,) = found.cannot_tell
    assert "cannot tell which event" in unknown.message
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    command = ["plan", "lint", str(tmp_path / "code.py"), "--plan", str(tmp_path / "plan.toml")]
    assert main(command) == 0
    assert "cannot tell" not in capsys.readouterr().out
    assert main([*command, "--verbose"]) == 0
    assert str(unknown) in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "code",
    [
        'track("nope")  # kizashi: ignore',
        'track("nope")  # noqa: E501  # kizashi:ignore, until the plan is mended',
        'track(  # kizashi: ignore\n    "nope",\n)',
        'track(\n    "nope",  # kizashi: ignore\n)',
        'track(\n    "nope",\n)  # kizashi: ignore',
    ],
)
def test_a_comment_on_the_line_says_to_look_away(tmp_path: Path, plan: Plan, code: str) -> None:
    assert codes(tmp_path, HEAD + code, plan) == []
    assert codes(tmp_path, HEAD + code.replace("kizashi:", "kizash:"), plan) == ["unplanned"]


def test_text_that_reads_as_the_comment_is_none(tmp_path: Path, plan: Plan) -> None:
    assert codes(tmp_path, HEAD + 'track("nope", actor="# kizashi: ignore")', plan) == ["unplanned"]


def test_columns_count_letters_and_not_bytes(tmp_path: Path, plan: Plan) -> None:
    (finding,) = linted(tmp_path, 'import kizashi\n"商品"; kizashi.track("nope")', plan).findings
    assert (finding.line, finding.column) == (2, 21)
    assert str(finding) == f"{tmp_path / 'code.py'}:2:21: nope is not in the plan; add [events.nope]"


@pytest.mark.parametrize(
    "content",
    [
        b"def broken(:\n",
        b"x = 1\n\0\n",
        b"# -*- coding: klingon -*-\n",
        b"x = '\xff'\n",
        b"x = " + b"(" * 50_000,
        b"x = " + b"-" * 200_000 + b"1",
    ],
)
def test_a_file_that_cannot_be_parsed_does_not_hide_the_others(tmp_path: Path, plan: Plan, content: bytes) -> None:
    (tmp_path / "a.py").write_bytes(content)
    (tmp_path / "b.py").write_text('import kizashi\nkizashi.track("nope")\n', encoding="utf-8")
    findings = lint([tmp_path / "a.py", tmp_path / "b.py"], plan).findings
    assert [(Path(finding.path).name, finding.code) for finding in findings] == [
        ("a.py", "unreadable"),
        ("b.py", "unplanned"),
    ]


def test_other_encodings_and_line_ends_are_read_as_python_reads_them(tmp_path: Path, plan: Plan) -> None:
    text = '# -*- coding: euc-jp -*-\r\nimport kizashi\r\n"商品"; kizashi.track("nope")\r\n'
    (tmp_path / "a.py").write_bytes(text.encode("euc-jp"))
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbfimport kizashi\nkizashi.track('mv_view')  # \\d is '\\d'\n")
    found = lint([tmp_path / "a.py", tmp_path / "b.py"], plan)
    assert [(finding.line, finding.column) for finding in found.findings] == [(3, 21)]
    assert found.calls == 2


def test_an_expression_nested_deeper_than_python_recurses_is_walked(tmp_path: Path, plan: Plan) -> None:
    chain = " + ".join(["x"] * 900)
    code = f"import kizashi\ny = {chain}\nkizashi.track('nope', value={chain})\n" + "z" + ".f()" * 900
    assert codes(tmp_path, code, plan) == ["unplanned"]
    assert sys.getrecursionlimit() <= 1_000


def test_names_that_stand_for_each_other_in_many_ways_cost_no_more(tmp_path: Path, plan: Plan) -> None:
    names = [f"n{index}" for index in range(40)]
    circles = "".join(
        f"{name} = {' or '.join(names)}\nx.{name} = {' or '.join(f'x.{n}' for n in names)}\n" for name in names
    )
    code = f"import kizashi\n{circles}n0.track('nope')\nx.n0.track('nope')\nkizashi.track('mv_view')\n"
    assert codes(tmp_path, code, plan) == []
    assert codes(tmp_path, f"{code}n1 = kizashi.Client()\nn1.track('nope')\n", plan) != []


def test_folders_are_walked_but_for_hidden_ones_and_environments(tmp_path: Path) -> None:
    kept = ["a.py", "shop/b.py", "shop/deep/c.py"]
    left = [".hidden/x.py", "__pycache__/x.py", "env/lib/x.py", "node_modules/x.py", "shop/notes.txt", "shop/stub.pyi"]
    for name in (*kept, *left, "env/pyvenv.cfg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "shop" / "loop").symlink_to(tmp_path)
    assert list(python_files([tmp_path])) == [tmp_path / name for name in kept]
    # What is named is read, whatever it is called; and nothing twice.
    named = tmp_path / "shop" / "notes.txt"
    assert list(python_files([named, tmp_path / "shop", tmp_path / "shop" / "b.py"])) == [
        named,
        *(tmp_path / name for name in kept[1:]),
    ]


def test_planned_events_that_no_call_names_are_noted(
    tmp_path: Path, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    assert linted(tmp_path, 'import kizashi\nkizashi.track("mv_view")', plan).never_tracked == [
        "mv_add_to_cart",
        "purchase",
    ]
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    assert main(["plan", "lint", str(tmp_path), "--plan", str(tmp_path / "plan.toml")]) == 0
    out, err = capsys.readouterr()
    assert out == "OK 1 file, 1 call of track()\n"
    assert err == "note: planned, but never tracked in these files: mv_add_to_cart, purchase\n"


@pytest.mark.parametrize(
    "code",
    [
        "from shop import events\nevents.purchase(value=1, currency='JPY', order=1)\n",
        "from shop import events as e\ndef f():\n    e.retract_purchase(order=1)\n",
        "import shop.events\nshop.events.purchase(value=1, currency='JPY', order=1)\n",
        "from .events import purchase\npurchase(value=1, currency='JPY', order=1)\n",
        "from . import events\nevents.restate_purchase(order=1, value=2, currency='JPY')\n",
        "import functools\nfrom . import events\non_commit(functools.partial(events.purchase, value=1, order=1))\n",
    ],
)
def test_calls_of_generated_functions_count_and_the_generated_module_does_not(
    tmp_path: Path, plan: Plan, code: str
) -> None:
    events, caller = tmp_path / "events.py", tmp_path / "caller.py"
    events.write_text(render_module(plan), encoding="utf-8")
    caller.write_text(code, encoding="utf-8")
    for files in ([events, caller], [caller, events]):
        found = lint(files, plan)
        assert (found.findings, found.never_tracked) == ([], ["mv_view", "mv_add_to_cart"])


def test_the_example_shop_agrees_with_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plan = ROOT / "examples" / "plan.toml"
    assert main(["plan", "lint", str(ROOT / "examples"), "--plan", str(plan), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert told["calls"] >= 8
    assert (told["findings"], told["cannot_tell"], told["never_tracked"]) == ([], [], [])


def test_the_example_shop_does_not_agree_with_another_plan(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "plan.toml").read_text(encoding="utf-8").replace("mv_search", "mv_found")
    found = lint([ROOT / "examples" / "shop.py"], load_plan(text))
    assert [(finding.code, finding.message.split()[0]) for finding in found.findings] == [("unplanned", "mv_search")]
    assert "mv_found" in found.never_tracked


def test_the_plan_is_found_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KIZASHI_PLAN", raising=False)
    Path("code.py").write_text("import kizashi\nkizashi.track('mv_here')\n", encoding="utf-8")
    assert main(["plan", "lint", "code.py"]) == 2
    assert capsys.readouterr().err == "plan.toml: cannot be read: No such file or directory; name a plan file\n"
    for name, path in (("mv_here", "plan.toml"), ("mv_there", "env.toml"), ("mv_told", "told.toml")):
        Path(path).write_text(f'currency = "JPY"\n[events.{name}]\n', encoding="utf-8")
    assert main(["plan", "lint", "code.py"]) == 0
    monkeypatch.setenv("KIZASHI_PLAN", "env.toml")
    assert main(["plan", "lint", "code.py"]) == 1
    assert "mv_there" in capsys.readouterr().err
    assert main(["plan", "lint", "code.py", "--plan", "told.toml"]) == 1
    assert "mv_told" in capsys.readouterr().err


def test_wrong_use_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN, encoding="utf-8")
    options = ["--plan", str(plan)]
    assert main(["plan", "lint", str(tmp_path / "none"), *options]) == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert main(["plan", "lint", str(tmp_path), *options]) == 2
    assert "no Python file there" in capsys.readouterr().err
    (tmp_path / "code.py").touch()
    plan.write_text('currency = "YEN"', encoding="utf-8")
    assert main(["plan", "lint", str(tmp_path), *options]) == 2


def test_findings_are_lines_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan, code = tmp_path / "plan.toml", tmp_path / "code.py"
    plan.write_text(PLAN, encoding="utf-8")
    code.write_text("import kizashi\nkizashi.track('nope')\nkizashi.track('purchase')\n", encoding="utf-8")
    command = ["plan", "lint", str(tmp_path), "--plan", str(plan)]
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        f"{code}:2:15: nope is not in the plan; add [events.nope]",
        f"{code}:3:1: purchase is worth what it carries, and carries no value; add value=…",
    ]
    assert err.splitlines()[-1] == "2 findings: 1 file, 2 calls of track()"
    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["plan"], told["never_tracked"]) == (
        *(False, load_plan(PLAN).id),
        ["mv_view", "mv_add_to_cart"],
    )
    first = Finding(path=str(code), line=2, column=15, code="unplanned", message=told["findings"][0]["message"])
    assert Finding(**told["findings"][0]) == first
