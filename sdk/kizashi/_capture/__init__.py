"""The caller's side of track(): what a call takes along, and what the context adds."""

from kizashi._capture._capture import ACTOR, MORE, SESSION, SOURCE, Call, Given, Record, capture
from kizashi._capture._context import Ambient, ambient, context, entered, merged
from kizashi._capture._known import is_source, known_names

__all__ = [
    "ACTOR",
    "MORE",
    "SESSION",
    "SOURCE",
    "Ambient",
    "Call",
    "Given",
    "Record",
    "ambient",
    "capture",
    "context",
    "entered",
    "is_source",
    "known_names",
    "merged",
]
