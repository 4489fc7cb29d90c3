"""Increments from a log: its ledger is brought up to date when a feed asks, and then read."""

from kizashi_collector.store._increments._asking import Increments

__all__ = ["Increments"]
