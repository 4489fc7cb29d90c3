"""Journeys and what they add up to, found by ClickHouse: the same integers as the columns of `analysis` have."""

from kizashi_collector.store._clickhouse._journeys._kept import KeptJourneys
from kizashi_collector.store._clickhouse._journeys._learn import learn
from kizashi_collector.store._clickhouse._journeys._row_cells import row_cells
from kizashi_collector.store._clickhouse._journeys._sql import journeys_sql
from kizashi_collector.store._clickhouse._journeys._walks import LAG_MS, Walks

__all__ = ["LAG_MS", "KeptJourneys", "Walks", "journeys_sql", "learn", "row_cells"]
