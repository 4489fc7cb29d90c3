"""Reading exports: whatever writes the file, each row comes out once, and as it was."""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kizashi_collector.cli.importing import (
    BadRow,
    Format,
    InputError,
    InputFile,
    MappingError,
    Row,
    load_mapping,
    open_rows,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FIELDS = '[fields]\nname = { constant = "mv_x" }\ntime = { constant = 1700000000000 }\nactor = "a"\n'
# A lone carriage return or line feed in a cell is a cell's content; NUL no CSV reader takes.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def read(path: Path, options: str = "", kind: Format = "csv", start: int = 0) -> tuple[Any, list[Row | BadRow], int]:
    """The header, the rows after the first `start` lines, and how many lines there are."""
    with InputFile(path) as file:
        rows = open_rows(file, load_mapping(kind, options + (FIELDS if kind == "csv" else "")), start)
        return rows.header, list(rows), rows.line


def write(tmp_path: Path, content: bytes, name: str = "export.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def good(rows: list[Row | BadRow]) -> list[Any]:
    return [row.cells for row in rows if isinstance(row, Row)]


def bad(rows: list[Row | BadRow]) -> list[tuple[int, str]]:
    return [(row.line, row.code) for row in rows if isinstance(row, BadRow)]


@given(
    rows=st.lists(st.tuples(CELLS, CELLS.filter(str.strip), CELLS), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    cut=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_csv_writer_wrote_is_read_back_from_any_row_on(
    tmp_path: Path,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    ending: str,
    quoting: Any,
    encoding: str,
    cut: int,
) -> None:
    if any("\r" in cell or "\n" in cell for row in rows for cell in row):
        quoting = csv.QUOTE_ALL  # the writer quotes the ends of its own lines alone
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending, quoting=quoting)
    writer.writerows([("a", "b", "c"), *rows])
    path = write(tmp_path, text.getvalue().encode(encoding))
    header, found, _ = read(path)
    assert header == ["a", "b", "c"]
    assert good(found) == [list(row) for row in rows]
    assert bad(found) == []
    if cut < len(found):
        _, rest, _ = read(path, start=found[cut].line - 1)
        assert rest == found[cut:]


@pytest.mark.parametrize(
    "pack", [bytes, gzip.compress, zstd.compress, lambda data: gzip.compress(data[:4]) + gzip.compress(data[4:])]
)
def test_a_packed_file_is_known_by_its_first_bytes(tmp_path: Path, pack: Any) -> None:
    _, rows, lines = read(write(tmp_path, pack(b"a,b\n1,2\n3,4\n"), "export.csv.gz"))
    assert (good(rows), lines) == ([["1", "2"], ["3", "4"]], 3)


@pytest.mark.parametrize("cut", [5, 12, 200])
def test_a_packed_file_that_ends_in_the_middle_is_an_error_and_no_end(tmp_path: Path, cut: int) -> None:
    whole = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(2000)))
    with pytest.raises((InputError, EOFError)):
        read(write(tmp_path, whole[:cut]))


def test_a_quote_that_was_never_closed_costs_its_own_line_alone(tmp_path: Path) -> None:
    lines = [b"a,b", b'1,"open', *(b"%d,x" % n for n in range(2, 20_000))]
    _, rows, total = read(write(tmp_path, b"\n".join(lines)))
    assert bad(rows) == [(2, "bad_row")]
    assert good(rows) == [[str(n), "x"] for n in range(2, 20_000)]
    assert total == len(lines)


def test_a_line_without_end_is_one_bad_row_and_takes_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,b\n1,2\n" + b"x" * 5_000_000 + b"\n3,4\n")
    _, rows, total = read(path)
    assert (good(rows), bad(rows), total) == ([["1", "2"], ["3", "4"]], [(3, "bad_row")], 4)
    assert read(path, start=3)[1] == rows[2:]
    path = write(tmp_path, b'{"a":1}\n"' + b"x" * 5_000_000 + b'"\n{"a":2}', "x.ndjson")
    _, rows, total = read(path, kind="ndjson")
    assert (good(rows), bad(rows), total) == ([{"a": 1}, {"a": 2}], [(2, "bad_row")], 3)


def test_rows_of_another_width_and_bytes_that_are_no_text_are_bad_and_blank_lines_are_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,b\n1\n1,2,3\n\n , \n\xff,2\n5,6\n")
    _, rows, _ = read(path)
    assert bad(rows) == [(2, "bad_row"), (3, "bad_row"), (6, "bad_encoding")]
    assert good(rows) == [[" ", " "], ["5", "6"]]


def test_an_old_japanese_file_is_read_where_the_mapping_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b\n購入,円\n".encode("cp932"))
    assert good(read(path, 'encoding = "cp932"\n')[1]) == [["購入", "円"]]
    assert bad(read(path)[1]) == [(2, "bad_encoding")]


def test_a_file_without_a_header_gets_its_columns_from_the_mapping(tmp_path: Path) -> None:
    header, rows, _ = read(write(tmp_path, b"1|2\n"), 'columns = ["a", "b"]\ndelimiter = "|"\n')
    assert (header, good(rows)) == (["a", "b"], [["1", "2"]])


@pytest.mark.parametrize("content", [b"", b"\n", b"a,a\n", b'"a,b\n1,2'])
def test_a_header_that_cannot_be_used_stops_the_import(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(MappingError):
        read(write(tmp_path, content))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_that_are_no_json_object_take_no_neighbour_with_them(tmp_path: Path, encoding: str) -> None:
    text = '{"a": 12.50, "b": "é\\n"}\r\n[1]\n{"a": NaN}\n\n{"a": 9007199254740993}'
    _, rows, lines = read(write(tmp_path, text.encode(encoding), "x.ndjson"), kind="ndjson")
    assert bad(rows) == [(2, "bad_row"), (3, "bad_row")]
    first, second = good(rows)
    assert (str(first["a"]), first["b"], second["a"]) == ("12.50", "é\n", 9007199254740993)
    assert lines == 5


def test_a_file_is_imported_by_one_at_a_time(tmp_path: Path) -> None:
    path = write(tmp_path, b"a,b\n")
    with InputFile(path), pytest.raises(InputError, match="another import"):
        InputFile(path)
    with InputFile(path):
        pass


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.csv"):
        InputFile(tmp_path / "absent.csv")
