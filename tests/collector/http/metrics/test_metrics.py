"""What Prometheus is told, and that the alert rules ask for nothing else."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kizashi_collector.http import Metrics
from kizashi_collector.ingest import IngestReport
from kizashi_collector.store import BACKUP_STAMP, Outcome
from live_collector import MINUTE, NOW, LiveCollector, event

ALERTS = Path(__file__).parents[4] / "docs" / "alerts.yml"


class Scrape:
    """The samples of one scrape, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The value of the one sample that has this name and these labels."""
        (found,) = [one.value for one in self.samples if one.name == name and one.labels.items() >= labels.items()]
        return float(found)

    def by(self, name: str, label: str) -> Mapping[str, float]:
        """The values of the samples with this name, by one label."""
        return {one.labels[label]: one.value for one in self.samples if one.name == name}


async def scrape(collector: LiveCollector) -> Scrape:
    async with collector.ask("GET", "/metrics") as response:
        assert response.status == 200
        return Scrape(await response.text())


async def test_events_are_counted_by_verdict_and_code_and_conflicts_beside(collector: LiveCollector) -> None:
    await collector.post([event(id="one"), event(id="two"), event(id="two")])
    await collector.post([event(id="one", actor="somebody else"), event(name="BAD"), event(name="BAD")])
    seen = await scrape(collector)
    events = {
        (one.labels["verdict"], one.labels["code"]): one.value
        for one in seen.samples
        if one.name == "kizashi_events_total"
    }
    assert events == {
        ("accepted", ""): 2,
        ("duplicate", ""): 1,
        ("duplicate", "conflict"): 1,
        ("rejected", ""): 0,
        ("rejected", "bad_name"): 2,
    }
    assert seen.value("kizashi_conflicts_total") == 1
    assert seen.value("kizashi_batches_total", kind="live") == 2


async def test_a_batch_of_one_kind_counts_as_one_of_several_does(collector: LiveCollector) -> None:
    metrics = collector.services.metrics
    metrics.batch(IngestReport([Outcome("duplicate", "conflict", "a text")] * 3, 0))
    metrics.batch(IngestReport([Outcome("duplicate", "conflict", str(number)) for number in range(4)], 0))
    metrics.batch(IngestReport([], 0))
    assert (await scrape(collector)).value("kizashi_events_total", code="conflict") == 7


def test_imports_are_told_from_live_batches_and_are_not_late() -> None:
    metrics = Metrics()
    metrics.batch(IngestReport([Outcome("accepted")] * 5, 0, imported=True, late_ms=400 * 86_400_000))
    metrics.batch(IngestReport([Outcome("accepted")], 0, late_ms=90_000))
    families = {family.name: family for family in metrics.registry.collect()}
    assert families["kizashi_imported_events"].samples[0].value == 5
    batches = {one.labels["kind"]: one.value for one in families["kizashi_batches"].samples}
    assert batches == {"live": 1, "import": 1}
    late = {one.labels.get("le", one.name): one.value for one in families["kizashi_lateness_seconds"].samples}
    assert (late["60.0"], late["300.0"], late["+Inf"]) == (0, 1, 1)
    assert late["kizashi_lateness_seconds_sum"] == 90


async def test_a_shift_is_counted_with_its_size(collector: LiveCollector) -> None:
    await collector.post([event(), event()], sent_at=NOW + 20 * MINUTE)
    seen = await scrape(collector)
    assert seen.value("kizashi_shifted_events_total") == 2
    assert seen.value("kizashi_shift_seconds_sum") == 20 * 60


async def test_commits_tell_time_events_and_requests(collector: LiveCollector) -> None:
    await asyncio.gather(*(collector.post([event() for _ in range(10)]) for _ in range(8)))
    seen = await scrape(collector)
    count = seen.value("kizashi_commit_seconds_count")
    assert 1 <= count == seen.value("kizashi_commit_events_count") == seen.value("kizashi_commit_requests_count")
    assert seen.value("kizashi_commit_events_sum") == 80
    assert seen.value("kizashi_commit_requests_sum") == 8
    bounds = [float(bound) for bound in seen.by("kizashi_commit_seconds_bucket", "le")]
    assert (bounds[0], bounds[-2], bounds[-1]) == (0.00025, 5.0, float("inf"))


async def test_the_log_and_its_index_are_weighed(collector: LiveCollector, tmp_path: Path) -> None:
    empty = await scrape(collector)
    assert empty.value("kizashi_log_events") == 0
    await collector.post([event() for _ in range(300)])
    await collector.post([event(name="BAD")])
    seen = await scrape(collector)
    assert (seen.value("kizashi_log_events"), seen.value("kizashi_log_rejected")) == (300, 1)
    assert seen.value("kizashi_log_bytes", kind="wal") > empty.value("kizashi_log_bytes", kind="wal")
    assert set(seen.by("kizashi_log_bytes", "kind")) == {"log", "wal", "ids"}
    assert seen.value("kizashi_last_receipt_timestamp_seconds") == NOW / 1000
    assert seen.value("kizashi_ids_waiting") == 300
    assert seen.value("kizashi_ids_trouble") == 0
    assert 0 < seen.value("kizashi_disk_free_bytes") < seen.value("kizashi_disk_bytes")
    # No backup is known yet: there is no sample that an alert could take for a time.
    assert "kizashi_last_backup_timestamp_seconds" not in {one.name for one in seen.samples}
    (tmp_path / "data" / BACKUP_STAMP).touch()
    assert abs((await scrape(collector)).value("kizashi_last_backup_timestamp_seconds") - time.time()) < 3600


async def test_what_is_on_its_way_is_seen_while_it_is(collector: LiveCollector) -> None:
    reader, writer = await asyncio.open_connection(*collector.address)
    head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer w-secret\r\nContent-Length: 5000\r\n\r\n"
    writer.write(head.encode() + b" " * 4000)
    async with asyncio.timeout(20):
        while (seen := await scrape(collector)).value("kizashi_body_bytes") < 4000:  # noqa: ASYNC110  # the server's
            await asyncio.sleep(0)
    assert seen.value("kizashi_requests_in_flight") == 2  # that one, and the scrape itself
    assert seen.value("kizashi_connections") >= 2
    writer.write(b" " * 1000)
    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
    after = await scrape(collector)
    assert (after.value("kizashi_body_bytes"), after.value("kizashi_requests_in_flight")) == (0, 1)


async def test_an_event_loop_that_is_held_is_noticed(collector: LiveCollector) -> None:
    def beyond(seen: Scrape) -> float:
        name = "kizashi_event_loop_lag_seconds_bucket"
        return seen.value(name, le="+Inf") - seen.value(name, le="0.1")

    before = beyond(await scrape(collector))
    time.sleep(0.3)  # noqa: ASYNC251  # this is the fault
    await asyncio.sleep(0)
    assert beyond(await scrape(collector)) > before


async def test_a_method_that_nobody_knows_makes_no_series_of_its_own(collector: LiveCollector) -> None:
    for method in ("PROPFIND", "MKCOL", "LOCK"):
        async with collector.ask(method, "/healthz") as response:
            assert response.status == 405
    seen = await scrape(collector)
    assert set(seen.by("kizashi_requests_total", "method")) == {"other"}
    assert seen.value("kizashi_requests_total", method="other", status="405") == 3


async def test_what_the_process_takes_is_told(collector: LiveCollector) -> None:
    seen = await scrape(collector)
    assert seen.value("process_resident_memory_bytes") > 10**6
    assert seen.value("process_open_fds") > 3
    (build,) = [one for one in seen.samples if one.name == "kizashi_build_info"]
    assert all(build.labels[name] for name in ("version", "python", "store"))


async def test_a_log_whose_state_cannot_be_read_leaves_the_other_metrics(
    collector: LiveCollector, tmp_path: Path
) -> None:
    ids = tmp_path / "data" / "ids"
    ids.rename(ids.with_name("ids-elsewhere"))
    try:
        seen = await scrape(collector)
        assert (seen.value("kizashi_ready"), seen.value("kizashi_not_ready", reason="log")) == (0, 1)
        assert "kizashi_log_events" not in {one.name for one in seen.samples}
    finally:
        ids.with_name("ids-elsewhere").rename(ids)
    assert (await scrape(collector)).value("kizashi_ready") == 1


def known_names() -> set[str]:
    """The names that samples may have."""
    names: set[str] = {"up"}
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return names


def test_every_metric_in_the_alert_rules_exists() -> None:
    expressions = re.sub(
        r"^\s*#.*$|annotations:(\n {10,}.*)*", "", ALERTS.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    named = set(re.findall(r"\b(?:kizashi|process|python)_[a-z_]+|\bup\b", expressions))
    assert len(named) > 12
    assert named - known_names() == set()


def test_the_alert_rules_are_yaml_of_the_form_that_prometheus_reads() -> None:
    yaml: Any = pytest.importorskip("yaml")
    document = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 10
    for rule in rules:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "action"} == set(rule["annotations"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        assert set(re.findall(r"\b(?:kizashi|process)_[a-z_]+", str(rule["annotations"]))) <= {
            *known_names(),
            *(name.removesuffix(suffix) for name in known_names() for suffix in ("_bucket", "_total")),
        }
