"""What the wire allows: said once, for what describes it, what sends it and what receives it."""

from __future__ import annotations

__all__ = [
    "CONSENT_KEYS",
    "ID_CHARACTERS",
    "LEAST_INTEGER",
    "MOST_INTEGER",
    "MOST_UNITS",
    "PROPERTY_KEYS",
    "SOURCE_CHARACTERS",
    "SOURCE_KEYS",
    "TEXT_CHARACTERS",
]

SOURCE_KEYS, PROPERTY_KEYS, CONSENT_KEYS = 32, 64, 32
SOURCE_CHARACTERS = 500
ID_CHARACTERS = 64
TEXT_CHARACTERS = 200
"""Of an actor, an order, a session."""

MOST_UNITS = 10**10
"""No value is higher, whatever its currency."""

LEAST_INTEGER, MOST_INTEGER = -(2**63), 2**64 - 1
"""Whole numbers that every reader of JSON can hold."""
