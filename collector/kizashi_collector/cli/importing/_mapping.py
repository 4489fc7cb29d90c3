"""The mapping: which column or field of an export becomes what of an event. TOML in, a checked Mapping out."""

from __future__ import annotations

import codecs
import hashlib
import tomllib
from collections.abc import Mapping as Map
from importlib.resources import files
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from kizashi_collector.cli.importing._cells import AmountUnit, TimeUnit
from kizashi_schemas import KizashiError, is_name

__all__ = ["FORMATS", "FieldRule", "Format", "IdRule", "Mapping", "MappingError", "load_mapping"]

Format = Literal["csv", "ndjson", "segment", "ga4"]
FORMATS: tuple[Format, ...] = ("csv", "ndjson", "segment", "ga4")

_TEXTS = {"id", "name", "time", "actor", "value", "currency", "order", "session", "adjust"}
_GROUPS = ("source", "properties", "consent")
_TIME_KEYS = {"unit", "timezone", "format"}
_MONEY_KEYS = {"unit", "decimal_mark", "thousands", "round_to"}


class MappingError(KizashiError):
    """A mapping that cannot be used. The message names file, key and remedy."""


class IdRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an id is made where the export has none.

    `hash` names what goes into it, the whole row where left out; `place` says whether file name and line do too, which
    keeps identical rows apart; `namespace` stands for the file's name, so that a renamed file keeps its ids.
    """

    hash: tuple[str, ...] | None = None
    place: bool | None = None
    namespace: str | None = None

    @property
    def with_place(self) -> bool:
        """Whether the place counts: by default where the whole row does."""
        return self.hash is None if self.place is None else self.place


class FieldRule(Struct, frozen=True, kw_only=True):
    """One field of the event: its parts, each the paths of which the first that is not empty counts, or a constant."""

    target: str
    parts: tuple[tuple[str, ...], ...] = ()
    constant: str | int | float | bool | None = None
    glue: str = ""
    whole: bool = False
    unit: str | None = None
    timezone: str | None = None
    pattern: str | None = None
    decimal_mark: str = "."
    thousands: str = ""
    round_to: int | None = None
    type: Literal["text", "number", "boolean"] | None = None
    hashed: bool = False
    salt: str = ""
    own: bool = True

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths that it may read."""
        return tuple(path for part in self.parts for path in part)


class Mapping(Struct, frozen=True, kw_only=True):
    """A checked mapping. `spreads` are whole objects taken over: the group that they fill and their path.

    `fingerprint` changes with anything that it says.
    """

    format: Format
    fields: tuple[FieldRule, ...]
    spreads: tuple[tuple[str, str], ...]
    names: Map[str, str | bool]
    only: Map[str, frozenset[str]]
    id: IdRule
    name_prefix: str
    other_names: Literal["convert", "skip", "reject"]
    unmapped: Literal["drop", "properties", "reject"]
    empty: frozenset[str]
    encoding: str | None
    delimiter: str | None
    columns: tuple[str, ...] | None
    fingerprint: str


class _Spec(Struct, forbid_unknown_fields=True, kw_only=True):
    """A field as the document writes it."""

    from_: str | list[str] | None = msgspec.field(default=None, name="from")
    join: list[str | list[str]] | None = None
    with_: str = msgspec.field(default="", name="with")
    whole: bool = False
    constant: str | int | float | bool | None = None
    unit: str | None = None
    timezone: str | None = None
    format: str | None = None
    decimal_mark: Literal[".", ","] | None = None
    thousands: Literal[",", ".", " ", "'", "_", "\u00a0", "\u202f"] | None = None
    round_to: Annotated[int, Meta(ge=0, le=6)] | None = None
    type: Literal["text", "number", "boolean"] | None = None
    hash: bool = False
    salt: str = ""


class _Document(Struct, forbid_unknown_fields=True, kw_only=True):
    format: Format | None = None
    encoding: str | None = None
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] | None = None
    columns: tuple[str, ...] | None = None
    empty: list[str] | None = None
    unmapped: Literal["drop", "properties", "reject"] | None = None
    id: IdRule | None = None
    name_prefix: str | None = None
    other_names: Literal["convert", "skip", "reject"] | None = None
    fields: dict[str, Any] = {}
    names: dict[str, str | Literal[False]] = {}
    only: dict[str, list[str]] = {}


def load_mapping(kind: Format | None, text: str | None = None, label: str = "the mapping") -> Mapping:
    """Read a mapping: what the format brings, changed by the document. `label` names the document in errors.

    Segment and GA4 bring a whole mapping, of which the document changes parts. CSV and NDJSON bring one for columns
    that are named as an event's fields are, and the `fields` of a document take its place. Raises MappingError.
    """
    own = _document(text, label) if text is not None else _Document()
    if kind is not None and own.format is not None and kind != own.format:
        raise MappingError(f"{label}: format is {own.format!r}, and --format says {kind!r}; mend one of them")
    kind = kind or own.format
    if kind is None:
        raise MappingError(f"no format is known; give --format {'|'.join(FORMATS)}")
    bundled = kind if kind in ("segment", "ga4") else "plain"
    inherits = bundled != "plain" or not own.fields
    base = _document(_bundled(bundled), f"{bundled}.toml") if inherits else _Document()
    fields: dict[str, Any] = {}
    for document, name, is_own in ((base, f"{bundled}.toml", False), (own, label, True)):
        for target, written in _flat(document.fields):
            fields[target] = (name, written, is_own)
    rules: list[FieldRule] = []
    spreads: list[tuple[str, str]] = []
    for target, (name, written, is_own) in fields.items():
        if written is False:
            continue
        if target.endswith(".*"):
            spreads.append(_spread(target, written, name))
        else:
            rules.append(_rule(target, written, name, own=is_own))
    for needed in ("name", "time"):
        if not any(rule.target == needed for rule in rules):
            raise MappingError(f'{label}: fields.{needed} is missing; write for example {needed} = "the column"')
    names = {**base.names, **own.names}
    _check_names(names, label)
    _check_options(own, label)
    id_rule = own.id or base.id or IdRule()
    empty = own.empty if own.empty is not None else base.empty if base.empty is not None else [""]
    mapping = Mapping(
        format=kind,
        fields=tuple(rules),
        spreads=tuple(spreads),
        names=names,
        only={path: frozenset(values) for path, values in {**base.only, **own.only}.items()},
        id=id_rule,
        name_prefix=own.name_prefix or "",
        other_names=own.other_names or "convert",
        unmapped=own.unmapped or "drop",
        empty=frozenset([*empty, ""]),
        encoding=own.encoding,
        delimiter=own.delimiter,
        columns=own.columns,
        fingerprint="",
    )
    return msgspec.structs.replace(mapping, fingerprint=_fingerprint(mapping))


def _bundled(name: str) -> str:
    return files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")


def _document(text: str, label: str) -> _Document:
    try:
        return msgspec.convert(tomllib.loads(text), _Document)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"{label}: not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise MappingError(f"{label}: {error}; docs/import.md lists what a mapping may say") from None


def _flat(fields: Map[str, Any]) -> list[tuple[str, Any]]:
    """Fields with the dotted names that TOML reads as tables written out."""
    flat: list[tuple[str, Any]] = []
    for target, written in fields.items():
        if target in _GROUPS and isinstance(written, dict):
            flat += [(f"{target}.{name}", inner) for name, inner in written.items()]
        else:
            flat.append((target, written))
    return flat


def _spread(target: str, written: Any, label: str) -> tuple[str, str]:
    group = target.removesuffix(".*")
    if group not in _GROUPS or not isinstance(written, str):
        raise MappingError(
            f'{label}: fields.{target!r}: write "source.*", "properties.*" or "consent.*" = "the object\'s path"'
        )
    return group, written


def _rule(target: str, written: Any, label: str, *, own: bool) -> FieldRule:
    where = f"{label}: fields.{target}"
    group, _, name = target.partition(".")
    if target not in _TEXTS and not (group in _GROUPS and is_name(name)):
        raise MappingError(
            f"{where}: an event has no such field; it has {', '.join(sorted(_TEXTS))}, "
            "source.x, properties.x, consent.x"
        )
    try:
        spec = _Spec(from_=written) if isinstance(written, str | list) else msgspec.convert(written, _Spec)
        parts = [spec.from_] if spec.from_ is not None else spec.join if spec.join is not None else []
        paths = msgspec.convert([[part] if isinstance(part, str) else part for part in parts], list[list[str]])
    except msgspec.ValidationError as error:
        raise MappingError(f"{where}: {error}; docs/import.md lists what a field may say") from None
    if sum(given is not None for given in (spec.from_, spec.join, spec.constant)) != 1:
        raise MappingError(f"{where}: give one of `from`, `join` and `constant`")
    if not all(paths) and spec.constant is None:
        raise MappingError(f"{where}: names no column; name at least one")
    _check_spec(spec, target, where)
    return FieldRule(
        target=target,
        parts=tuple(map(tuple, paths)),
        constant=spec.constant,
        glue=spec.with_,
        whole=spec.whole,
        unit=spec.unit,
        timezone=spec.timezone,
        pattern=spec.format,
        decimal_mark=spec.decimal_mark or ".",
        thousands=spec.thousands or "",
        round_to=spec.round_to,
        type=spec.type,
        hashed=spec.hash,
        salt=spec.salt,
        own=own,
    )


def _check_spec(spec: _Spec, target: str, where: str) -> None:
    allowed = _TIME_KEYS if target == "time" else _MONEY_KEYS if target == "value" else set()
    given = {key for key in _TIME_KEYS | _MONEY_KEYS if getattr(spec, key) is not None}
    if given - allowed:
        raise MappingError(f"{where}: {', '.join(sorted(given - allowed))} means nothing here; leave it out")
    units = get_args(TimeUnit if target == "time" else AmountUnit)
    if spec.unit is not None and spec.unit not in units:
        raise MappingError(f"{where}: unit {spec.unit!r} is unknown; write one of {', '.join(units)}")
    if spec.type is not None and not target.startswith("properties."):
        raise MappingError(f"{where}: type is for properties.x alone; leave it out")
    if (spec.decimal_mark or ".") == spec.thousands:
        raise MappingError(f"{where}: decimal_mark and thousands are the same; mend one of them")
    if spec.timezone is not None:
        try:
            ZoneInfo(spec.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise MappingError(
                f"{where}: timezone {spec.timezone!r} is unknown; write for example Asia/Tokyo"
            ) from None


def _check_names(names: Map[str, str | bool], label: str) -> None:
    for old, new in names.items():
        if new is not False and not (isinstance(new, str) and is_name(new)):
            raise MappingError(
                f"{label}: names.{old!r}: {new!r} is no event name; write a lower-case letter, then letters, digits "
                "and underscores, at most 64 in all, or false to leave the event out"
            )


def _check_options(document: _Document, label: str) -> None:
    if document.name_prefix and not is_name(document.name_prefix):
        raise MappingError(f"{label}: name_prefix {document.name_prefix!r} begins no event name; write for example mv_")
    try:
        codecs.lookup(document.encoding or "utf-8")
    except LookupError:
        raise MappingError(
            f"{label}: encoding {document.encoding!r} is unknown; write for example cp932 or utf-16"
        ) from None


def _fingerprint(mapping: Mapping) -> str:
    return hashlib.sha256(msgspec.json.encode(mapping, order="deterministic")).hexdigest()[:32]
