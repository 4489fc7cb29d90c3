"""The caller's side of track(): what a call takes along, and what the context adds."""

from kizashi._capture._capture import Record, capture
from kizashi._capture._context import Ambient, ambient, context, merged

__all__ = ["Ambient", "Record", "ambient", "capture", "context", "merged"]
