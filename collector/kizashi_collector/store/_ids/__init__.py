"""The ids of events: which are stored, in an index that can be made again, and which were erased."""

from kizashi_collector.store._ids._manifest import read_manifest
from kizashi_collector.store._ids._seen import SeenIds
from kizashi_collector.store._ids._tombstones import Tombstones, erased_digest

__all__ = ["SeenIds", "Tombstones", "erased_digest", "read_manifest"]
