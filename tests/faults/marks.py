"""Marks of this suite."""

from __future__ import annotations

import os

import pytest

__all__ = ["long"]

long = pytest.mark.skipif("LONG_FAULTS" not in os.environ, reason="takes long: make faults")
