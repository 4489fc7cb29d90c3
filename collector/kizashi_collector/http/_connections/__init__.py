"""Connections and their deadlines, and the short way of usual posts past aiohttp's routing."""

from kizashi_collector.http._connections._connections import ConnectionRunner, open_file_room
from kizashi_collector.http._connections._quick import QuickPosts

__all__ = ["ConnectionRunner", "QuickPosts", "open_file_room"]
