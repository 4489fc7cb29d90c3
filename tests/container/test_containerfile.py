"""What the Containerfile promises, read from it. `build_and_run.sh` proves the same in real containers."""

from __future__ import annotations

import re
import tomllib

import pytest

from container.containerfile import ROOT, Stage, environment, exec_form, stages
from kizashi_collector.cli import SETTINGS

BEFORE, STAGES = stages()
BUILD, FINAL = STAGES
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def every(keyword: str, stage: Stage) -> list[str]:
    return [one.rest for one in stage if one.keyword == keyword]


def only(keyword: str, stage: Stage) -> str:
    (rest,) = every(keyword, stage)
    return rest


def copied() -> list[str]:
    """The paths of the project that go into the build."""
    return [path for rest in every("COPY", BUILD) for path in rest.split()[:-1]]


def test_any_base_can_be_given_and_both_stages_use_it() -> None:
    assert [(one.keyword, one.rest) for one in BEFORE] == [("ARG", "BASE=python:3.13-slim")]
    assert [only("FROM", stage) for stage in STAGES] == ["${BASE} AS build", "${BASE}"]


def test_the_image_takes_nothing_but_the_environment_from_the_build() -> None:
    assert only("COPY", FINAL) == "--from=build /opt/kizashi /opt/kizashi"
    assert "ADD" not in {one.keyword for stage in STAGES for one in stage}


def test_the_build_takes_what_the_wheel_is_made_of_and_nothing_else() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = PROJECT["project"]
    folders = {path.partition("/")[0] for path in wheel["force-include"]}
    taken = ["pyproject.toml", project["readme"], *project["license-files"], *wheel["packages"], *folders]
    assert sorted(copied()) == sorted(taken)
    assert all((ROOT / path).exists() for path in copied())


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules == ["*", *(f"!{path}" for path in copied()), "**/__pycache__"]


def test_it_runs_as_a_numbered_user_that_cannot_log_in() -> None:
    user, _, group = only("USER", FINAL).partition(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    (setup,) = every("RUN", FINAL)
    assert f"kizashi:x:{user}:{group}:kizashi:/nonexistent:/usr/sbin/nologin" in setup
    assert f"chown {user}:{group} /data" in setup


def test_the_program_itself_gets_the_signals() -> None:
    assert only("STOPSIGNAL", FINAL) == "SIGTERM"
    (program,) = exec_form(only("ENTRYPOINT", FINAL))
    assert program.rpartition("/")[2] in PROJECT["project"]["scripts"]
    assert exec_form(only("CMD", FINAL)) == ["serve"]


def test_there_is_one_volume_and_the_collector_works_in_it() -> None:
    (volume,) = exec_form(only("VOLUME", FINAL))
    assert environment(FINAL)["KIZASHI_DATA"] == volume
    assert environment(FINAL)["SQLITE_TMPDIR"] == volume
    assert only("WORKDIR", FINAL) == volume


def test_the_port_that_is_exposed_is_the_one_that_is_served() -> None:
    assert only("EXPOSE", FINAL) == environment(FINAL)["KIZASHI_PORT"]


def test_every_setting_in_it_exists_and_can_be_read() -> None:
    settings = {setting.variable: setting for setting in SETTINGS}
    for variable, text in environment(FINAL).items():
        if variable.startswith("KIZASHI_"):
            settings[variable].read(text)


def test_the_health_check_is_bounded_in_time() -> None:
    options = only("HEALTHCHECK", FINAL).partition("CMD")[0].split()
    assert [option.partition("=")[0] for option in options] == [
        "--interval",
        "--timeout",
        "--start-period",
        "--retries",
    ]


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_it_holds_no_secret_and_no_host(stage: Stage) -> None:
    for one in stage:
        assert one.keyword != "ARG", "an ARG stays in the history of the image"
        assert not re.search(r"(?<!file)://", one.rest), "where packages come from is for the builder to say"
        if one.keyword == "ENV":
            assert not re.search(r"_KEY|TOKEN|PASSWORD|SECRET", one.rest)


def test_the_shell_form_is_told_apart() -> None:
    _, (stage,) = stages("FROM base\nENTRYPOINT kizashi \\\n  serve\n")
    assert only("ENTRYPOINT", stage) == "kizashi serve"
    with pytest.raises(ValueError, match="Expecting value"):
        exec_form(only("ENTRYPOINT", stage))
