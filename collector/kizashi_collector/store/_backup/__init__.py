"""A data folder as one file, taken while a collector writes to it, and the way back."""

from kizashi_collector.store._backup._backup import back_up
from kizashi_collector.store._backup._backup_file import BackupError, BackupManifest
from kizashi_collector.store._backup._restore import Restored, accept_log, restore_backup

__all__ = ["BackupError", "BackupManifest", "Restored", "accept_log", "back_up", "restore_backup"]
