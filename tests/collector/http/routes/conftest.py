"""Every test here holds for both stores."""

from stores import each_store

__all__ = ["each_store"]
