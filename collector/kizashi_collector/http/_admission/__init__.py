"""Who may bring how much, now: places, turns and rates."""

from kizashi_collector.http._admission._admission import ADMISSION, Admission, FairPool

__all__ = ["ADMISSION", "Admission", "FairPool"]
