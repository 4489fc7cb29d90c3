"""`kizashi completion`: what bash, and other shells where they are installed, offer with its scripts."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from kizashi._commands._cli import whole_parser
from kizashi._commands._completion import add_completion
from kizashi._commands._parser_outline import outline
from terminal import called, in_a_pipe

SHELLS = ("bash", "fish", "zsh")
NO_CONFIGURATION = {"bash": "--norc", "fish": "--no-config", "zsh": "-f"}
EVERY = list(outline(whole_parser(), "kizashi"))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        told = in_a_pipe("completion", shell) if shell == "bash" else called(add_completion, "completion", shell)
        assert (told.status, told.err) == (0, "")
        (folder / shell).write_text(told.out, encoding="utf-8")
    return {shell: folder / shell for shell in SHELLS}


def bash_offers(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    line = " ".join(map(shlex.quote, words))
    program = f"""
        source {shlex.quote(str(script))}
        COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; COMPREPLY=()
        _kizashi
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", program], capture_output=True, encoding="utf-8", check=True, timeout=10
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_every_command_and_every_option_is_offered_in_its_place(scripts: dict[str, Path]) -> None:
    assert len(EVERY) > 20
    for command in EVERY:
        offered = bash_offers(scripts["bash"], *command.name.split(), "")
        assert {word for word, _ in command.below} <= set(offered)
        assert {name for option in command.options for name in option.names} <= set(offered), command.name


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("kizashi rest", ["restore"]),
        ("kizashi keys create --scope ", ["write", "read", "admin"]),
        ("kizashi keys create --scope r", ["read"]),
        ("kizashi keys create --scope = w", ["write"]),
        ("kizashi keys create --name list --sc", ["--scope"]),
        ("kizashi funnel --order un", ["unordered"]),
        ("kizashi completion z", ["zsh"]),
        ("kizashi serve --data ", []),
        ("kizashi plan check --j", ["--json"]),
    ],
)
def test_values_are_offered_where_they_are_choices(scripts: dict[str, Path], words: str, offered: list[str]) -> None:
    assert bash_offers(scripts["bash"], *words.split(" ")) == offered


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_finds_nothing_wrong_with_its_script(scripts: dict[str, Path], shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    subprocess.run([shell, NO_CONFIGURATION[shell], "-n", scripts[shell]], check=True, timeout=10)


def test_fish_offers_commands_and_values(scripts: dict[str, Path]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish here")
    for line, word in (("kizashi res", "restore"), ("kizashi keys create --scope ", "admin")):
        program = f"source {scripts['fish']}; complete -C {shlex.quote(line)}"
        done = subprocess.run(
            ["fish", "--no-config", "-c", program], capture_output=True, encoding="utf-8", check=True, timeout=10
        )
        assert word in [offer.split("\t")[0] for offer in done.stdout.splitlines()]


def test_a_shell_that_it_does_not_know_is_refused() -> None:
    told = called(add_completion, "completion", "tcsh")
    assert (told.status, told.out) == (2, "")
    assert "bash" in told.err
