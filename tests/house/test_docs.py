"""The documentation names everything that exists, and its examples work."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import kizashi
from kizashi._commands import main
from kizashi._commands._diagnosis import CheckName
from kizashi._commands._track_calls import Code
from kizashi_collector.cli import SETTINGS, Setting
from kizashi_collector.http import Metrics
from kizashi_schemas import Batch, BatchAnswer, Funnel, FunnelRequest, IncrementsAnswer, PlanHealth
from kizashi_schemas.openapi import openapi
from kizashi_schemas.plan import EventRule, Plan, Values, load_plan

DOCS = Path(__file__).parents[2] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def examples(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page(name), re.DOTALL)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_is_documented(setting: Setting) -> None:
    assert f"| `{setting.option}` | `{setting.variable}` |" in page("operate.md")


def test_every_metric_is_documented() -> None:
    names = {family.name for family in Metrics().registry.collect()}
    assert [name for name in names if f"`{name}" not in page("operate.md")] == []


def test_every_route_is_documented() -> None:
    for path, methods in openapi("0")["paths"].items():
        for method in methods:
            assert re.search(rf"`({method.upper()} )?{re.escape(path)}", page("api.md")), (method, path)


@pytest.mark.parametrize("kind", [Plan, EventRule, Values])
def test_every_key_of_the_plan_is_documented(kind: type[msgspec.Struct]) -> None:
    derived = {"canonical", "warnings"} if kind is Plan else set()
    assert [key for key in kind.__struct_fields__ if key not in derived and key not in page("plan.md")] == []


@pytest.mark.parametrize("kind", [Funnel, FunnelRequest])
def test_every_key_of_a_funnel_is_documented(kind: type[Funnel]) -> None:
    assert [key for key in kind.__struct_encode_fields__ if f"`{key}`" not in page("funnels.md")] == []


def test_every_option_and_argument_of_the_sdk_is_documented() -> None:
    for function in (kizashi.configure, kizashi.track):
        for name, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is parameter.KEYWORD_ONLY:
                assert f"`{name}`" in page("sdk.md"), name


def test_every_public_name_of_the_sdk_is_documented() -> None:
    errors_and_dunders = {"ConfigurationError", "KizashiError", "__version__"}
    assert [name for name in kizashi.__all__ if name not in page("sdk.md") and name not in errors_and_dunders] == []


def test_every_check_of_the_doctor_is_documented() -> None:
    assert [name for name in get_args(CheckName) if f"| `{name}` |" not in page("doctor.md")] == []


def test_every_option_of_the_doctor_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--help"])
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert [option for option in options if f"| `{option}` |" not in page("doctor.md")] == []


def test_every_finding_of_the_linter_is_documented() -> None:
    assert [code for code in get_args(Code) if f"| `{code}` |" not in page("typed-events.md")] == []


def test_the_plan_of_the_typed_events_is_the_one_that_is_shown() -> None:
    (example,) = examples("typed-events.md", "toml")
    plan = load_plan(example)
    assert plan.warnings == ()
    assert f"{len(plan.events)} events of plan {plan.id}" in page("typed-events.md")


def test_every_reason_of_a_drop_is_documented() -> None:
    stated = set(re.findall(r"`([a-z_]+)`", str(kizashi.Stats.__doc__).partition("keyed by reason")[2]))
    assert len(stated) >= 8
    assert [reason for reason in stated if f"`{reason}`" not in page("sdk.md")] == []


def test_the_example_of_a_plan_has_neither_problem_nor_warning() -> None:
    (example,) = examples("plan.md", "toml")
    assert load_plan(example).warnings == ()


def test_the_plan_of_the_readme_has_neither_problem_nor_warning() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (DOCS.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert load_plan(example).warnings == ()


def test_the_examples_of_the_wire_decode() -> None:
    batch, answer, health, increments = examples("api.md", "json")
    assert msgspec.json.decode(batch, type=Batch).events[0].order == "A-1001"
    assert len(msgspec.json.decode(answer, type=BatchAnswer).verdicts) == 3
    [broken] = msgspec.json.decode(health, type=PlanHealth).breaks or []
    assert not broken.blocks_bids
    assert [*msgspec.structs.asdict(broken)] == [*msgspec.json.decode(health)["breaks"][0]]
    assert msgspec.json.decode(increments, type=IncrementsAnswer).increments[0].kind == "step"
