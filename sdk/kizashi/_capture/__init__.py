"""The caller's side of track(): what a call takes along, and what the context adds."""

from kizashi._capture._capture import ACTOR, SESSION, SOURCE, Call, Given, Record, capture, known_names
from kizashi._capture._context import Ambient, ambient, context, merged

__all__ = [
    "ACTOR",
    "SESSION",
    "SOURCE",
    "Ambient",
    "Call",
    "Given",
    "Record",
    "ambient",
    "capture",
    "context",
    "known_names",
    "merged",
]
