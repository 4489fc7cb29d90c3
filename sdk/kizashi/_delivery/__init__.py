"""From encoded events to verdicts: the queue and its books, the worker, and the pipeline that holds both."""

from kizashi._delivery._pipeline import Pipeline
from kizashi._delivery._report import warn

__all__ = ["Pipeline", "warn"]
