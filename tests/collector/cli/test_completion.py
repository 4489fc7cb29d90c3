"""`kizashi completion`: what bash, and other shells where they are installed, make of its scripts and of a TAB."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
        told = in_a_pipe("completion", shell)
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
        options = {name for option in command.options for name in option.names}
        assert options <= set(bash_offers(scripts["bash"], *command.name.split(), "-")), command.name
        # Where a name or a file may stand, options would be in its way.
        assert options & set(offered) == (set() if command.free else options), command.name


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


TYPED = [
    ("su\t", "summary"),
    ("summary --b\tdevice", "summary --by device"),
    ("funnel --order un\t", "funnel --order unordered"),
    ("keys create --scope=re\t", "keys create --scope=read"),
    ("keys cr\t--sc\tadm\t", "keys create --scope admin"),
    ("plan check pl\t", "plan check plan.toml"),
    ("backup pl\t", "backup plan.toml"),
    ("serve --data a\t", "serve --data a folder"),
    ("serve --data=a\t", "serve --data=a folder"),
    ("values review --diff pl\t", "values review --diff plan.toml"),
    ("summary --window 7d --by campaign --js\t", "summary --window 7d --by campaign --json"),
]
"""What somebody types behind `kizashi `, TAB included, and what the program is then given."""


class Typing:
    """A shell at a terminal, in which somebody types."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal

    def answer(self, keys: str, pattern: str) -> str:
        """What the pattern's group holds, once it is shown after these keys."""
        os.write(self._terminal, keys.encode())
        shown, deadline = "", time.monotonic() + 20
        while (found := re.search(pattern, shown)) is None:
            ready, _, _ = select.select([self._terminal], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"no {pattern} in {shown!r}"
            shown += os.read(self._terminal, 65_536).decode(errors="replace")
        return found[1]


@contextmanager
def typing_in(shell: str, script: Path, folder: Path) -> Iterator[Typing]:
    """An interactive shell that has read the script, and whose `kizashi` prints what it is given."""
    command = ["bash", "--noprofile", "--norc", "-i"] if shell == "bash" else ["zsh", "-f", "-i"]
    # zsh's own, and no file that remembers it.
    begin = "autoload -Uz compinit && compinit -u -D;" if shell == "zsh" else ""
    terminal, theirs = pty.openpty()
    # The first terminal that the leader of a session opens is the one that it is at.
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(theirs), *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "LC_ALL": "C.UTF-8"},
        start_new_session=True,
    )
    try:
        typing = Typing(terminal)
        typing.answer(
            f"{begin} source {shlex.quote(str(script))}; kizashi() {{ printf '<%s>' \"$*\"; }}; echo re''ady\r",
            r"(ready)\r",
        )
        yield typing
    finally:
        os.close(theirs)
        os.close(terminal)  # it hangs up, at which an interactive shell ends
        process.wait(20)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_completes_what_somebody_types(scripts: dict[str, Path], shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "plan.toml").touch()
    (tmp_path / "a folder").mkdir()
    with typing_in(shell, scripts[shell], tmp_path) as typing:
        given = {keys: typing.answer(f"kizashi {keys}\r", r"<([^<>]*)>").rstrip(" /") for keys, _ in TYPED}
    assert given == dict(TYPED)
