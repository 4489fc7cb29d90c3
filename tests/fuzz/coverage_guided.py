"""Coverage-guided fuzzing of the decoder, by atheris: `python -m fuzz.coverage_guided RUNS`.

The first byte chooses the format. What atheris keeps since it reached a new line is mutated further; the events of
`fuzz.bodies` are where it begins.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["kizashi_collector.ingest", "kizashi_schemas"]):
    from fuzz.taking import NOW, Taker

from fuzz.bodies import Bodies

_KINDS = (b"j", b"m")


def main(runs: int) -> None:
    """Fuzz so many bodies; ends with an error at the first that is not taken as the rules say."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        bodies = Bodies(Random(1), lambda: NOW)
        for number in range(500):
            body, kind = bodies.content()
            (corpus / str(number)).write_bytes(_KINDS[kind == "msgpack"] + body)
        taker = Taker(Path(folder) / "data")

        def one(given: bytes) -> None:
            taker.take(given[1:], "msgpack" if given[:1] == b"m" else "json")

        atheris.Setup(
            [
                sys.argv[0],
                f"-runs={runs}",
                "-max_len=40000",
                "-timeout=30",
                "-rss_limit_mb=500",
                "-close_fd_mask=0",
                str(corpus),
            ],
            one,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]))
