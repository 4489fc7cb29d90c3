"""Journeys that are kept current as events come and windows move."""

from kizashi_collector.analysis._rolling_journeys._cells import JourneyCells
from kizashi_collector.analysis._rolling_journeys._rolling_journeys import RollingJourneys

__all__ = ["JourneyCells", "RollingJourneys"]
