"""What an ad's link says."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from kizashi._visit._params import CLICK_IDS, read_parameters


def test_utm_parameters_go_by_the_names_that_events_use() -> None:
    query = "utm_campaign=brand&utm_id=77&utm_term=red+shoes&utm_content=b1&utm_source=google&utm_medium=cpc&page=2"
    assert read_parameters(query) == {
        "campaign": "brand",
        "campaign_id": "77",
        "keyword": "red shoes",
        "creative": "b1",
        "channel": "google/cpc",
    }


@pytest.mark.parametrize("name", CLICK_IDS)
def test_click_ids_keep_their_names(name: str) -> None:
    assert read_parameters(f"page=2&{name}=EAIa-b_c.1") == {name: "EAIa-b_c.1"}


@pytest.mark.parametrize(
    ("query", "channel"),
    [("utm_source=line", "line"), ("utm_medium=email", "email"), ("utm_medium=b&utm_source=a", "a/b")],
)
def test_a_channel_is_made_of_what_is_there(query: str, channel: str) -> None:
    assert read_parameters(query) == {"channel": channel}


def test_japanese_keywords_keep_their_letters_and_lose_their_wide_spaces() -> None:
    assert read_parameters(f"utm_term={quote('東京　ホテル')}") == {"keyword": "東京 ホテル"}


def test_the_first_usable_value_counts() -> None:
    assert read_parameters("gclid=&gclid=%00&gclid=a&gclid=b") == {"gclid": "a"}


@pytest.mark.parametrize(
    "text",
    [
        "mail@shop.example",
        "mail%40shop.example",
        "mail%2540shop.example",
        "mail＠shop.example",
        "mail﹫shop.example",
        "%25252525252540",
        "192.0.2.7",
        "192.0.2.7:8080",
        "[2001:db8::1]:443",
        "2001:db8::1",
        "１９２．０．２．７",
        "a\x00b",
        "a\u202eb",
        "a\ud800b",
    ],
)
@pytest.mark.parametrize("name", ["utm_campaign", "utm_id", "utm_source", "gclid"])
def test_addresses_and_what_nobody_can_print_are_dropped(name: str, text: str) -> None:
    for encoded in (quote(text, errors="surrogatepass"), text):
        assert read_parameters(f"{name}={encoded}") == {}


def test_an_address_beyond_the_cut_takes_the_name_before_it_along() -> None:
    assert read_parameters(urlencode({"utm_term": "jane.doe" + " " * 300 + "@shop.example"})) == {}


def test_labels_are_cut_and_ids_dropped_where_they_are_too_long() -> None:
    query = urlencode({"utm_campaign": "c" * 201, "utm_term": "語" * 300, "utm_id": "7" * 201, "gclid": "g" * 201})
    assert read_parameters(query) == {"campaign": "c" * 200, "keyword": "語" * 200}
    assert read_parameters(f"utm_id={'7' * 200}&gclid={'g' * 200}") == {"campaign_id": "7" * 200, "gclid": "g" * 200}


@pytest.mark.parametrize("text", ["{gclid}", "<b>", "a b", "日本", "a%0d%0aSet-Cookie:b"])
def test_a_click_id_that_no_platform_writes_is_none(text: str) -> None:
    assert read_parameters(f"gclid={quote(text)}") == {}


def test_bytes_that_are_no_utf8_make_no_name() -> None:
    assert read_parameters("utm_term=%93%8c%8b%9e") == {}


def test_no_link_makes_work_without_end() -> None:
    assert read_parameters("utm_term=%00&" * 99 + "utm_term=a") == {"keyword": "a"}
    assert read_parameters("utm_term=%00&" * 100 + "utm_term=a&utm_campaign=b") == {}
    assert read_parameters("utm_term=" + "%61" * 2_000 + "&utm_campaign=b") == {"campaign": "b"}
