"""The version of the distribution. A constant, since asking importlib.metadata would cost every import milliseconds."""

__all__ = ["__version__"]

__version__ = "0.1.0"
