"""What a tag stands for is remembered for the newest few thousand."""

from __future__ import annotations

from kizashi_collector.http._tags import Tags


def test_the_newest_tags_are_remembered() -> None:
    tags = Tags()
    for number in range(5_000):
        tags.note(f"tag {number}", f"version {number}")
    tags.note("of a counted answer", None)
    assert tags.version("tag 4999") == "version 4999"
    assert tags.version("tag 0") is None
    assert tags.version("of a counted answer") is None
