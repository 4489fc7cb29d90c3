"""Whatever a request says, nothing raises and the event is one that the collector takes."""

from __future__ import annotations

import string

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kizashi import Client
from kizashi._visit import Seen, Trouble, Visits, read_options
from kizashi._visit._cookie import MOST_BYTES
from kizashi._visit._params import CLICK_IDS, read_parameters
from kizashi._visit._touch import Touch, Visit, arrive, lighter, source_of
from kizashi_schemas import Event
from sdk.visit.visiting import NOW, SECRET, Accepting, cookie_of

NAMES = [*CLICK_IDS, *(f"utm_{name}" for name in ("campaign", "id", "term", "content", "source", "medium", "x"))]
TEXTS = st.text(max_size=300) | st.text(string.printable, max_size=300) | st.sampled_from(["%40", "%2540", "1.2.3.4"])
QUERIES = st.text() | st.lists(st.tuples(st.sampled_from(NAMES), TEXTS), max_size=16).map(
    lambda pairs: "&".join(f"{name}={text}" for name, text in pairs)
)


def visits() -> Visits:
    options = read_options({"secret": SECRET, "consent": lambda _request: True})
    return Visits(options, now=lambda: float(NOW), trouble=Silent())


class Silent(Trouble):
    """Nothing may go wrong here at all, not even with a warning."""

    def tell(self, kind: str, what: str, error: BaseException | None = None) -> None:
        raise AssertionError(f"{what}: {error!r}") from error


def check(source: dict[str, str]) -> None:
    event = {"id": "e-1", "name": "mv_a", "time": NOW, "actor": "v-1", "source": source}
    msgspec.json.decode(msgspec.json.encode(event), type=Event)
    assert len(source) <= 24
    for name, value in source.items():
        assert "@" not in value, name
        assert "%40" not in value, name
        assert value.isprintable(), name
        assert 0 < len(value) <= 200, name


@settings(max_examples=300, deadline=None, derandomize=True)
@given(query=QUERIES, referrer=TEXTS, path=TEXTS, host=TEXTS)
def test_any_two_landings_make_a_source_that_the_collector_takes(
    query: str, referrer: str, path: str, host: str
) -> None:
    here = visits()
    first = here._visit(Seen(query="utm_campaign=a&gclid=b", path="/"))
    assert first[0] is not None
    seen = Seen(query=query, referrer=f"https://{referrer}", path=path, host=host, cookies=cookie_of(first[1]))
    visit, header = here._visit(seen)
    assert visit is not None
    check(source_of(visit))
    if header is not None:
        assert len(cookie_of(header)) <= MOST_BYTES + len("kizashi=")
        assert header.isascii()
        assert header.isprintable()
        # What was written is read back as it was.
        assert here._visit(Seen(cookies=cookie_of(header))) == (visit, None)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(cookies=st.text() | st.binary().map(lambda raw: "kizashi=" + raw.decode("latin-1")))
def test_any_cookie_is_ignored_and_never_believed(cookies: str) -> None:
    visit, header = visits()._visit(Seen(cookies=cookies))
    assert visit is None
    assert header is None or "Max-Age=0;" in header


@settings(max_examples=300, deadline=None, derandomize=True)
@given(query=QUERIES)
def test_reading_a_query_twice_changes_nothing(query: str) -> None:
    fields = read_parameters(query)
    for name, value in fields.items():
        if name in CLICK_IDS:
            assert read_parameters(f"{name}={value.replace('+', '%2B')}") == {name: value}


FIELDS = st.dictionaries(st.sampled_from(["campaign", "gclid", "referrer", "keyword"]), st.just("x"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(touches=st.lists(st.builds(Touch, st.integers(0, NOW), FIELDS), min_size=1, max_size=4))
def test_the_first_and_the_last_touch_are_what_is_kept(touches: list[Touch]) -> None:
    visit: Visit | None = None
    for touch in touches:
        visit = arrive(visit, touch)
    assert visit is not None
    assert visit == Visit(touches[-1], touches[0] if len(touches) > 1 else None)
    # Each step is lighter, down to a visit that has only its time.
    while visit.last.fields or visit.first is not None:
        before, visit = visit, lighter(visit)
        assert len(msgspec.json.encode(visit)) < len(msgspec.json.encode(before))


def test_the_fullest_source_leaves_the_site_room_for_its_own() -> None:
    fields = dict.fromkeys(read_parameters("&".join(f"{name}=a" for name in NAMES)), "a")
    first = Touch(1, dict.fromkeys(fields, "b") | {"referrer": "b.example", "landing_page": "/b"})
    source = source_of(Visit(Touch(2, fields | {"referrer": "a.example", "landing_page": "/"}), first))
    assert (len(source), source["first_campaign"]) == (24, "b")
    with Client(transport=Accepting(), strict=True) as client:
        client.track("mv_a", actor="v-1", source=source | {f"own_{number}": "x" for number in range(8)})
