"""Journeys: runs of an actor from a first micro-conversion to a final one, or to the end of the horizon."""

from kizashi_collector.analysis._journeys._actor import ActorJourney, actor_journeys
from kizashi_collector.analysis._journeys._find import find_journeys
from kizashi_collector.analysis._journeys._journeys import CONVERTED, RETRACTED, UNENDED, Journeys, join_journeys
from kizashi_collector.analysis._journeys._ladder import Ladder
from kizashi_collector.analysis._journeys._walk import Journey, walk_journeys
from kizashi_collector.analysis._journeys._walked import walked_journeys

__all__ = [
    "CONVERTED",
    "RETRACTED",
    "UNENDED",
    "ActorJourney",
    "Journey",
    "Journeys",
    "Ladder",
    "actor_journeys",
    "find_journeys",
    "join_journeys",
    "walk_journeys",
    "walked_journeys",
]
