"""Every test here holds for both stores; that they answer the same, tests/contract shows in less time."""

from stores import each_store_in_time

__all__ = ["each_store_in_time"]
