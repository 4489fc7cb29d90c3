"""What the faults of ClickHouse have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.clickhouse import Front, Store


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A server's stand-in, the same for all tests of a module."""
    pytest.importorskip("chdb", reason="chdb is not installed")
    with Front(tmp_path_factory.mktemp("front")) as one:
        yield one


@pytest.fixture(scope="module")
def store(front: Front) -> Store:
    """A database of it."""
    return front.store("faults")
