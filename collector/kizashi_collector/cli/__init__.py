"""The server's commands, which join `kizashi` through the entry-point group `kizashi.commands`."""

from kizashi_collector.cli._keys import add_keys
from kizashi_collector.cli._serve import add_serve
from kizashi_collector.cli._settings import SETTINGS, Setting

__all__ = ["SETTINGS", "Setting", "add_keys", "add_serve"]
