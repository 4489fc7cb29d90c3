"""The server's commands, which join `kizashi` through the entry-point group `kizashi.commands`."""

from kizashi_collector.cli._backup import add_backup, add_restore
from kizashi_collector.cli._copy import add_copy
from kizashi_collector.cli._erase import add_erase
from kizashi_collector.cli._funnel import add_funnel
from kizashi_collector.cli._import import add_import
from kizashi_collector.cli._keys import add_keys
from kizashi_collector.cli._rejected import add_rejected
from kizashi_collector.cli._serve import add_serve
from kizashi_collector.cli._settings import SETTINGS, Setting
from kizashi_collector.cli._summary import add_summary
from kizashi_collector.cli._values import add_values
from kizashi_collector.cli.demo import add_demo

__all__ = [
    "SETTINGS",
    "Setting",
    "add_backup",
    "add_copy",
    "add_demo",
    "add_erase",
    "add_funnel",
    "add_import",
    "add_keys",
    "add_rejected",
    "add_restore",
    "add_serve",
    "add_summary",
    "add_values",
]
