"""Pages of the documentation as somebody follows them: files are saved, commands are typed, and what is shown comes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from msgspec import Struct

__all__ = ["ROOT", "Block", "Reader", "anchors_of", "blocks_of", "commands_of", "links_of", "prose_of", "text_of"]

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVED_AS = re.compile(r"`([\w-]+\.(?:py|toml|csv|json))`[^`]*:$")
_STAYS = re.compile(r"^(kizashi serve|flask .*\brun)\b")
_ASKS = re.compile(r"^kizashi (funnel|summary)\b")
_PATIENCE_SECONDS = 30.0
_DELIVERED = "kizashi.flush(10)\nassert kizashi.stats().delivered and not kizashi.stats().dropped, kizashi.stats()\n"


class Block(Struct, frozen=True):
    """A fenced piece of a page; `file` is what the sentence before it calls it, or none."""

    language: str
    text: str
    file: str | None


def text_of(page: str) -> str:
    """A page by its path in the project."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str) -> list[Block]:
    """The fenced pieces of a page, in order."""
    text = text_of(page)
    found = []
    for fence in _FENCE.finditer(text):
        before = _SAVED_AS.search(text[: fence.start()].rstrip())
        found.append(Block(fence[1], fence[2], before[1] if before else None))
    return found


def commands_of(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, and what each is shown to print."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        length = next(at for at, line in enumerate(lines, 1) if not line.endswith("\\\n"))
        yield "".join(lines[:length]).strip(), "".join(lines[length:])


def prose_of(page: str) -> str:
    """A page without its fenced pieces."""
    return _FENCE.sub("", text_of(page))


def links_of(page: str) -> list[str]:
    """Where a page's links lead."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose_of(page)))


def anchors_of(page: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        repeated = sum(one == plain or re.fullmatch(rf"{re.escape(plain)}-\d+", one) is not None for one in found)
        found.add(f"{plain}-{repeated}" if repeated else plain)
    return found


class Reader:
    """Somebody who follows a page in a folder of their own, until the `with` block ends.

    `places` stand for what a page writes, such as an address or a key. What a page starts and leaves running picks a
    free port, and takes the place of what the page says it listens on.
    """

    def __init__(self, folder: Path, places: Mapping[str, str], environment: Mapping[str, str] | None = None) -> None:
        self._folder, self._places = folder, dict(places)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KIZASHI_", "FLASK_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        own = {"PATH": path, "HOME": str(folder), "KIZASHI_PORT": "0", "PYTHONIOENCODING": "utf-8"}
        self._environment = {**clean, **own, **(environment or {})}
        # curl calls an answer of 404 a success otherwise.
        (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n", encoding="utf-8")
        self._running: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.terminate()
            process.wait(20)
        for reader in self._readers:
            reader.join()
        for process in self._running:
            if process.stdout is not None:
                process.stdout.close()

    def follow(self, page: str, left_out: Mapping[str, str]) -> None:
        """Save the files of a page, run its commands and its Python, and compare what they print with what is shown.

        `left_out` has the beginnings of commands and of Python that are not run.
        """
        script = ""
        for block in blocks_of(page):
            if block.file is not None:
                (self._folder / block.file).write_text(self._placed(block.text), encoding="utf-8")
            elif block.language == "python" and not block.text.startswith(tuple(left_out)):
                script += block.text + (_DELIVERED if "kizashi.track(" in block.text else "")
            elif block.language == "console":
                script = self._python(script)
                for command, shown in commands_of(block):
                    if not command.startswith(tuple(left_out)):
                        self._type(command, shown)
        self._python(script)

    def _placed(self, text: str) -> str:
        for written, meant in self._places.items():
            text = text.replace(written, meant)
        return text

    def _python(self, script: str) -> str:
        if script:
            (self._folder / "_snippets.py").write_text(self._placed(script), encoding="utf-8")
            self._run(f"{shlex.quote(sys.executable)} _snippets.py", "")
        return ""

    def _type(self, command: str, shown: str) -> None:
        if command.startswith("export "):
            for assignment in shlex.split(self._placed(command), comments=True)[1:]:
                name, _, value = assignment.partition("=")
                self._environment[name] = value
        elif _STAYS.match(command):
            self._leave_running(command, shown)
        else:
            self._run(self._placed(command), shown)

    def _run(self, command: str, shown: str) -> None:
        wanted, give_up = _pattern(self._placed(shown)), time.monotonic() + _PATIENCE_SECONDS
        while True:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
            if not shown or re.fullmatch(wanted, _shape(done.stdout), re.DOTALL):
                return
            # Somebody who reads takes minutes to get there, in which the collector learns; this reader asks again.
            assert _ASKS.match(command), f"{command} is shown to print\n{shown}and prints\n{done.stdout}"
            assert time.monotonic() < give_up, f"{command} is shown to print\n{shown}and still prints\n{done.stdout}"

    def _leave_running(self, command: str, shown: str) -> None:
        stands_for = re.search(r"--port (\d+)", command)
        port = stands_for[1] if stands_for else "8700"
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command.replace(f'--port {port}', '--port 0')}"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._running.append(process)
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += "" if line.startswith("{") else line
            if url := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise AssertionError(f"{command} ended: {told}")
        # Nobody else reads what it says from here on, and it must not wait for somebody to.
        self._readers.append(threading.Thread(target=process.stdout.read))
        self._readers[-1].start()
        self._places[f"http://127.0.0.1:{port}"] = url[0]
        for scope, key in re.findall(r"^  (\w+) +(kz_\S+)$", told, re.MULTILINE):
            self._places[f"kz_{scope}_…"] = key
        assert not shown or re.fullmatch(_pattern(self._placed(shown)), _shape(told), re.DOTALL), told


def _pattern(shown: str) -> str:
    """What matches the shape of an output; `…` stands for anything, and as a line for any number of lines."""
    return re.escape(_shape(shown)).replace("…", ".*")


def _shape(text: str) -> str:
    """A text without what differs from run to run: numbers, times, lengths of bars, spaces."""
    text = re.sub(r"[█▏▎▍▌▋▊▉]+", "█", text)
    text = re.sub(r"kz_(write|read|admin)_\S+", "KEY", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"(?<!\w)\d[\d,.]*(ms|[smhd])?(?!\w)", "N", text)
    return re.sub(r" +", " ", text).strip()
