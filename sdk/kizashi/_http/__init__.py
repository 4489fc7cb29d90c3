"""HTTP/1.1, as much of it as carries batches to a collector."""

from kizashi._http._http import HttpTransport

__all__ = ["HttpTransport"]
