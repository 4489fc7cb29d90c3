"""The wire's Structs as a client and a server use them."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET, Raw

from kizashi_schemas import Batch, BatchAnswer, Event, Verdict

EXAMPLE = (
    b'{"sent_at": 1790000000123,"events": [{"id": "0198c2", "name": "mv_add_to_cart", "time": 1790000000100,'
    b'"actor": "v-8f2", "value": 1200, "currency": "JPY", "order": null, "session": "s-1",'
    b'"source": {"campaign": "brand", "device": "mobile", "gclid": "EAIa"},"properties": {"sku": "A-1", "qty": 2},'
    b'"later_field": [1, {"x": 2}]}]}'
)


def test_the_example_of_the_documentation_decodes() -> None:
    event = msgspec.json.decode(EXAMPLE, type=Batch).events[0]
    assert (event.id, event.order, event.properties) == ("0198c2", None, {"sku": "A-1", "qty": 2})
    assert event.value is not UNSET
    assert bytes(event.value) == b"1200"


def test_value_keeps_the_text_that_was_sent() -> None:
    event = msgspec.json.decode(b'{"id":"1","name":"a","time":0,"value":1.10000000000000000001}', type=Event)
    assert event.value is not UNSET
    assert bytes(event.value) == b"1.10000000000000000001"


def test_what_is_left_out_is_not_sent() -> None:
    assert msgspec.json.encode(Event(id="1", name="a", time=0)) == b'{"id":"1","name":"a","time":0}'
    sent = msgspec.json.encode(Batch(events=[Event(id="1", name="a", time=0, value=Raw(b"1.5"))]))
    assert sent == b'{"events":[{"id":"1","name":"a","time":0,"value":1.5}]}'


def test_both_formats_carry_the_same_answer() -> None:
    answer = BatchAnswer(
        accepted=1, duplicates=1, rejected=0, verdicts=[Verdict(index=0, id="1", verdict="duplicate", code="conflict")]
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(answer), type=BatchAnswer) == answer
    assert msgspec.json.decode(msgspec.json.encode(answer), type=BatchAnswer) == answer


@pytest.mark.parametrize(
    "field",
    [
        '"id": ""',
        f'"id": "{"x" * 65}"',
        '"id": 1',
        '"name": "Big"',
        '"name": "a\\n"',
        '"name": "😀"',
        '"name": "a\\u0000"',
        f'"name": "{"a" * 65}"',
        '"time": 1.5',
        '"time": null',
        '"actor": ""',
        f'"actor": "{"x" * 201}"',
        '"adjust": "refund"',
        '"source": {"Campaign": "x"}',
        '"source": {"campaign": 1}',
        f'"source": {{"campaign": "{"x" * 501}"}}',
        '"source": {' + ", ".join(f'"k{i}": ""' for i in range(33)) + "}",
        '"properties": {' + ", ".join(f'"k{i}": 1' for i in range(65)) + "}",
        '"properties": {"a": [1]}',
        '"properties": {"a": {}}',
        '"consent": {"ads": "yes"}',
    ],
)
def test_a_field_of_the_wrong_form_is_refused(field: str) -> None:
    whole = '{"id": "1", "name": "a", "time": 0, "actor": "x", ' + field + "}"
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(whole, type=Event)
