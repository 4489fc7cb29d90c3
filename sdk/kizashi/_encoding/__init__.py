"""The worker's side of track(): checks, ids, money, and the bytes of one event."""

from kizashi._encoding._encode import Encoder
from kizashi._encoding._fields import check_source

__all__ = ["Encoder", "check_source"]
