"""`kizashi import` behind its options: files to rows, rows to events by a mapping, events to a collector."""

from kizashi_collector.cli.importing._input_file import InputError, InputFile
from kizashi_collector.cli.importing._job import Job, StrictError
from kizashi_collector.cli.importing._mapper import Mapper, Row, RowError
from kizashi_collector.cli.importing._mapping import FORMATS, Format, Mapping, MappingError, load_mapping
from kizashi_collector.cli.importing._progress import Progress
from kizashi_collector.cli.importing._rows import BadRow, Rows, open_rows
from kizashi_collector.cli.importing._sender import CollectorError, EndpointError, Sender
from kizashi_collector.cli.importing._state import Counts, FileState, State, StateError

__all__ = [
    "FORMATS",
    "BadRow",
    "CollectorError",
    "Counts",
    "EndpointError",
    "FileState",
    "Format",
    "InputError",
    "InputFile",
    "Job",
    "Mapper",
    "Mapping",
    "MappingError",
    "Progress",
    "Row",
    "RowError",
    "Rows",
    "Sender",
    "State",
    "StateError",
    "StrictError",
    "load_mapping",
    "open_rows",
]
