"""Impossible funnels are refused, possible ones are not."""

from __future__ import annotations

import msgspec
import pytest

from kizashi_schemas import FunnelError, FunnelRequest, check_funnel, check_keys


def funnel(text: str) -> FunnelRequest:
    return msgspec.json.decode(text, type=FunnelRequest)


@pytest.mark.parametrize(
    "text",
    [
        '{"steps": ["a"]}',
        '{"steps": ["a", "*"]}',
        '{"steps": ["a", {"event": "b", "where": {"properties.sku": ["A", 1, null], "source.campaign": "x"}}]}',
        '{"steps": ["a", "b", "c"], "optional": [1], "exclude": [{"event": "x", "from": 0, "to": 2}]}',
        '{"steps": ["a", "b"], "histogram": {}, "exclude": [{"event": "x"}]}',
        '{"steps": ["a", "b"], "order": "unordered"}',
    ],
)
def test_a_possible_funnel_passes(text: str) -> None:
    check_funnel(funnel(text))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"steps": []}', "steps"),
        ('{"steps": ["A"]}', "steps[0]"),
        ('{"steps": ["a", {"event": "b", "where": {"sku": 1}}]}', "steps[1]"),
        ('{"steps": ["a", {"event": "b", "where": {"properties.": 1}}]}', "steps[1]"),
        ('{"steps": ["a", "b"], "conversion_window": "1y"}', "conversion_window"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": 1, "to": 1}]}', "exclude[0]"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": 1, "to": 2}]}', "exclude[0]"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": 2, "to": 1}]}', "exclude[0]"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": 0, "to": 2}]}', "exclude[0]"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "x", "from": -1, "to": 1}]}', "exclude[0]"),
        ('{"steps": ["a", "b"], "exclude": [{"event": "X"}]}', "exclude[0]"),
        ('{"steps": ["a", "b"], "optional": [0]}', "optional"),
        ('{"steps": ["a", "b"], "optional": [1]}', "optional"),
        ('{"steps": ["a", "b", "c"], "optional": [1], "order": "unordered"}', "optional"),
        ('{"steps": ["a", "b"], "histogram": {"from": 1, "to": 0}}', "histogram"),
        ('{"steps": ["a"], "histogram": {}}', "histogram"),
    ],
)
def test_an_impossible_funnel_is_refused_by_its_key(text: str, key: str) -> None:
    with pytest.raises(FunnelError) as caught:
        check_funnel(funnel(text))
    assert str(caught.value).startswith(key)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="setps"):
        funnel('{"steps": ["a"], "setps": 1}')


@pytest.mark.parametrize(
    ("by", "properties", "attribution"),
    [
        (["Campaign"], False, "first"),
        (["properties.sku"], False, "first"),
        (["properties."], True, "first"),
        (["a", "a"], True, "first"),
        (["a"], True, "middle"),
        (["a"], True, "step:3"),
        (["a"], True, "step:-1"),
    ],
)
def test_an_impossible_breakdown_is_refused(by: list[str], properties: bool, attribution: str) -> None:
    with pytest.raises(FunnelError):
        check_keys(by, properties=properties, attribution=attribution, steps=3)


def test_a_possible_breakdown_passes() -> None:
    check_keys(["campaign", "properties.sku"], properties=True, attribution="step:2", steps=3)
