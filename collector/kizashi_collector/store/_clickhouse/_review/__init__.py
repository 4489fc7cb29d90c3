"""What the review of a plan is worked out from, counted by ClickHouse."""

from kizashi_collector.store._clickhouse._review._review_counts import review_counts

__all__ = ["review_counts"]
