"""One file's import: rows become batches, batches travel, and what was acknowledged is noted before the next is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from kizashi_collector.cli.importing._input_file import READ_ERRORS, InputError, InputFile
from kizashi_collector.cli.importing._mapper import Mapper, Row, RowError
from kizashi_collector.cli.importing._mapping import Mapping
from kizashi_collector.cli.importing._progress import Progress
from kizashi_collector.cli.importing._rejections import Rejection, Rejections
from kizashi_collector.cli.importing._rows import BadRow, Rows, open_rows
from kizashi_collector.cli.importing._state import FileState, State, StateError
from kizashi_schemas import Event, KizashiError, Verdict

__all__ = ["Job", "StrictError"]

_BATCH_BYTES = 4 * 1024 * 1024
_MOST_SKIPPED = 50_000
# What one bad line may cost in memory until it is written.
_BAD_BYTES = 4096
_decode_event = msgspec.json.Decoder(Event).decode
_SAMPLES = 3

Send = Callable[[Sequence[bytes]], list[Verdict | None]]


class StrictError(KizashiError):
    """A row that was not taken, where none may be."""


class _Batch(Struct):
    """Events on their way, the row of each, and what else lies in the same stretch of the file."""

    events: list[bytes] = []
    rows: list[tuple[int, Any]] = []
    rejections: list[Rejection] = []
    skipped: int = 0
    size: int = 0
    line: int = 0
    position: int = 0


class Job:
    """Imports one file. `send` takes encoded events and returns their verdicts; None only tries the mapping out.

    Every method raises KizashiError, after what was acknowledged has been noted.
    """

    def __init__(
        self,
        file: InputFile,
        mapping: Mapping,
        *,
        send: Send | None,
        endpoint: str,
        state: State,
        rejected: Path,
        progress: Progress,
        batch_events: int,
        strict: bool,
        restart: bool,
    ) -> None:
        self._file = file
        self._mapping = mapping
        self._send = send
        self._state = state
        self._rejected = rejected
        self._progress = progress
        self._batch_events = batch_events
        self._strict = strict
        self._shown = 0
        self.samples: list[bytes] = []
        self.at = self._standing(endpoint, restart=restart)

    def _standing(self, endpoint: str, *, restart: bool) -> FileState:
        """Where the file stands, by the state. Raises StateError where it was begun in another way."""
        fresh = FileState(identity=self._file.identity, endpoint=endpoint, mapping=self._mapping.fingerprint)
        known = self._state.find(self._file.path)
        if known is None or restart or self._send is None:
            return fresh
        if known.identity != fresh.identity:
            self._progress.note(
                f"{self._file.path} has changed since its last import: from its first line again; "
                "what is stored already counts as duplicate"
            )
            return fresh
        for what, was, now in (
            ("endpoint", known.endpoint, fresh.endpoint),
            ("mapping", known.mapping, fresh.mapping),
        ):
            if was != now:
                raise StateError(
                    f"{self._file.path} was imported with another {what} up to line {known.line} ({self._state.path}); "
                    f"go on with that one, or give --restart to send all of it with this {what}"
                )
        return known

    def run(self) -> FileState:
        """Import what is left of the file; return where it stands then."""
        if self.at.done:
            self._progress.note(f"{self._file.path} is imported already ({self._state.path}); --restart sends it again")
            return self.at
        try:
            rows = open_rows(self._file, self._mapping, self.at.line)
        except READ_ERRORS as error:
            raise self._unreadable(0, error) from None
        self._mapper = Mapper(self._mapping, rows.header, self._file.name)
        if self.at.line:
            self._progress.note(f"{self._file.path}: going on after line {self.at.line}")
        rejections = None if self._send is None else Rejections(self._rejected, self.at.rejected_bytes)
        try:
            self._send_all(rows, rejections)
        finally:
            if rejections is not None:
                rejections.close()
            self._progress.close()
        return self.at

    def _send_all(self, rows: Rows, rejections: Rejections | None) -> None:
        """Read one batch while the one before it travels."""
        send = self._send or _try_out
        failure: KizashiError | None = None
        travelling: tuple[_Batch, Future[list[Verdict | None]]] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="kizashi-import") as pool:
            batches = self._batches(rows)
            while True:
                batch = None
                try:
                    batch = next(batches, None)
                except KizashiError as error:
                    failure = error
                if travelling is not None:
                    self._note(travelling[0], travelling[1].result(), rejections)
                if batch is None:
                    break
                travelling = batch, pool.submit(send, batch.events)
        if failure is not None:
            raise failure
        self.at.done = True
        self._save()

    def _batches(self, rows: Rows) -> Iterator[_Batch]:
        """The file in batches; a row that must stop everything, or the file's sudden end, comes as an error after."""
        batch = _Batch()
        before = rows.line
        given = iter(rows)
        failure: KizashiError | None = None
        while True:
            try:
                row = next(given, None)
            except READ_ERRORS as error:
                failure = self._unreadable(rows.line, error)
                break
            if row is None:
                break
            refused = self._add(batch, row)
            if refused is not None:
                if self._strict:
                    failure = StrictError(f"{self._file.path}, line {refused.line}: {refused.message}")
                    break
                batch.rejections.append(refused)
            before = rows.line
            if len(batch.events) >= self._batch_events or batch.size >= _BATCH_BYTES or batch.skipped >= _MOST_SKIPPED:
                batch.line, batch.position = before, self._file.position
                yield batch
                batch = _Batch()
        batch.line, batch.position = before, self._file.position
        yield batch
        if failure is not None:
            raise failure

    def _add(self, batch: _Batch, row: Row | BadRow) -> Rejection | None:
        """Add one row to the batch, or say why it cannot be."""
        if isinstance(row, BadRow):
            batch.size += _BAD_BYTES
            return Rejection(line=row.line, code=row.code, message=row.message, row=row.content)
        try:
            event = self._mapper.map(row)
        except RowError as error:
            batch.size += len(row.content) + _BAD_BYTES
            return Rejection(
                line=row.line,
                code=error.code,
                message=str(error),
                column=error.column,
                row=self._mapper.shown(row.cells),
            )
        if event is None:
            batch.skipped += 1
            return None
        batch.events.append(event)
        batch.rows.append((row.line, row.cells))
        batch.size += max(len(event), len(row.content))
        return None

    def _note(self, batch: _Batch, verdicts: list[Verdict | None], rejections: Rejections | None) -> None:
        """Count what became of a batch, keep its rejected rows, and save where the file stands."""
        counts = self.at.counts
        refused = batch.rejections
        accepted = duplicates = 0
        for (line, cells), verdict in zip(batch.rows, verdicts, strict=True):
            if verdict is None:
                accepted += 1
            elif verdict.verdict == "duplicate" and verdict.code != "conflict":
                duplicates += 1
                if verdict.code is not None:
                    counts.codes[verdict.code] = counts.codes.get(verdict.code, 0) + 1
            else:
                code = verdict.code or "rejected"
                refused.append(
                    Rejection(line=line, code=code, message=verdict.message or code, row=self._mapper.shown(cells))
                )
        refused.sort(key=lambda rejection: rejection.line)
        if refused and self._strict:
            raise StrictError(f"{self._file.path}, line {refused[0].line}: {refused[0].message}")
        for rejection in refused:
            counts.codes[rejection.code] = counts.codes.get(rejection.code, 0) + 1
            self._show(rejection)
        counts.accepted += accepted
        counts.duplicates += duplicates
        counts.rejected += len(refused)
        counts.skipped += batch.skipped
        counts.rows += accepted + duplicates + len(refused) + batch.skipped
        self.at.line = batch.line
        if rejections is None:
            self.samples += batch.events[: _SAMPLES - len(self.samples)]
        else:
            rejections.write(refused)
            self.at.rejected_bytes = rejections.size
            self._save()
        self._progress.update(batch.position, counts.rows)

    def _save(self) -> None:
        if self._send is not None:
            self._state.save(self._file.path, self.at)

    def _show(self, rejection: Rejection) -> None:
        self._shown += 1
        if self._shown <= 5:
            self._progress.note(f"{self._file.path}, line {rejection.line}: {rejection.message}")
        elif self._shown == 6:
            where = "are not shown" if self._send is None else f"stand in {self._rejected}"
            self._progress.note(f"further rejected rows {where}")

    def _unreadable(self, line: int, error: BaseException) -> InputError:
        return InputError(
            f"{self._file.path} cannot be read beyond line {line}: {error}; what comes before is dealt with. "
            "Fetch the file again and import it: what is stored already counts as duplicate"
        )


def _try_out(events: Sequence[bytes]) -> list[Verdict | None]:
    """The verdicts that the form of events alone gives, without a collector."""
    verdicts: list[Verdict | None] = []
    for index, event in enumerate(events):
        try:
            _decode_event(event)
            verdicts.append(None)
        except msgspec.ValidationError as error:
            verdicts.append(
                Verdict(index=index, id=None, verdict="rejected", code="bad_event", message=f"no event: {error}")
            )
    return verdicts
