"""Reading a `performance:` section: all faults at once, merging, and what the user set himself.

Covers mappings as YAML or a call gives them. Does not cover reading files. See also `orcabatch.settings.models`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from orcabatch.errors import SettingsError
from orcabatch.settings.models import WITHOUT_CROSS_CHECKS, Settings, cross_faults
from orcabatch.text import nearest

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ADVISING = ("threading.min_threads", "threading.threads_per_gb")
"""Keys that bind where the user wrote them, and whose default only advises."""

_UNKNOWN = {"extra_forbidden", "invalid_key"}
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong key or value.

    Attributes:
        key: dotted, below `performance`; empty for the section itself.
        value: what was found there.
        problem: what is wrong and what is allowed.
        nearest: the right key or value that looks most like it; empty where none does.
    """

    key: str
    value: object
    problem: str
    nearest: str = ""

    def __str__(self) -> str:
        shown = repr(self.value)
        shown = shown if len(shown) <= _LONGEST_VALUE else shown[: _LONGEST_VALUE - 3] + "..."
        hint = f" Did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.key or 'the section'} = {shown}: {self.problem}.{hint}"


def parse_settings(section: Mapping[Any, Any] | None, *, origin: str = "performance") -> Settings:
    """The settings of a `performance:` section; None and missing keys mean the defaults.

    Args:
        section: what stands below `performance:`.
        origin: the file, or whatever the section comes from; every fault names it.

    Raises:
        SettingsError: lists all faults at once, each with origin, key, value, what is allowed and
            the nearest right one.
    """
    faults = find_faults(section)
    if faults:
        count = f"{len(faults)} settings are" if len(faults) > 1 else "a setting is"
        lines = "\n".join(f"  {origin}: {fault}" for fault in faults)
        raise SettingsError(f"{origin}: {count} wrong in `performance:`; nothing was run.\n{lines}")
    return Settings.model_validate(_plain(section))


def find_faults(section: Mapping[Any, Any] | None) -> tuple[Fault, ...]:
    """All faults of a section: unknown keys, wrong values, keys that do not go together."""
    if section is not None and not isinstance(section, Mapping):
        return (Fault("", section, "must be keys and values, such as `threading: {max_threads: 30}`"),)
    rest = _plain(section)
    faults: dict[str, Fault] = {}
    try:
        settings = Settings.model_validate(rest, context=WITHOUT_CROSS_CHECKS)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            path = _known_path(detail["loc"])
            fault = _fault(path, detail["type"] in _UNKNOWN, _value_at(rest, path))
            faults.setdefault(fault.key, fault)
            _remove(rest, path)
        settings = Settings.model_validate(rest, context=WITHOUT_CROSS_CHECKS)
    conflicts = (c for c in cross_faults(settings) if not {c.key, c.other} & set(faults))
    return (*faults.values(), *(Fault(c.key, c.value, c.problem) for c in conflicts))


def merge_sections(section: Mapping[Any, Any] | None, override: Mapping[Any, Any] | Settings | None) -> dict[str, Any]:
    """`override` over `section`, key by key; of a settings model only the keys that were set count."""
    upper = to_section(override, only_set=True) if isinstance(override, Settings) else _plain(override)
    return _merged(_plain(section), upper)


def to_section(settings: Settings, *, only_set: bool = False) -> dict[str, Any]:
    """The section as plain values for YAML or JSON: bytes, seconds, per second, percent.

    Reading it again gives equal settings. What binds only where it stands (`ADVISING`) is left out where it was not
    set.

    Args:
        settings: the settings.
        only_set: leave out everything that the user did not set, so that reading it again tells set keys from defaults.
    """
    section = settings.model_dump(exclude_unset=only_set)
    for key in ADVISING:
        folder, _, name = key.partition(".")
        if not was_set(settings, key):
            section.get(folder, {}).pop(name, None)
    return section


def was_set(settings: Settings, key: str) -> bool:
    """Whether the user set the dotted key himself, to the default or not.

    Raises:
        KeyError: there is no such key.
    """
    if key not in _all_keys():
        raise KeyError(key)
    return key in set(keys_set(settings))


def keys_set(settings: Settings) -> tuple[str, ...]:
    """The dotted keys that the user set himself, in the order of the models."""
    return tuple(_set_in(settings, ""))


def all_keys() -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key (not the sub-sections) with its field, in the order of the models."""
    return iter(_all_keys().items())


@cache
def _all_keys() -> dict[str, FieldInfo]:
    return dict(_keys_of(Settings, ""))


def _keys_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        child = section_model(field)
        if child is None:
            yield prefix + name, field
        else:
            yield from _keys_of(child, f"{prefix}{name}.")


def section_model(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a sub-section; None for a key with a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _set_in(section: BaseModel, prefix: str) -> Iterator[str]:
    for name in type(section).model_fields:
        if name not in section.model_fields_set:
            continue
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _set_in(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _plain(section: Mapping[Any, Any] | None) -> dict[str, Any]:
    """Plain dictionaries with text keys; an empty sub-section (`memory:` with nothing below) is left out."""
    plain: dict[str, Any] = {}
    for key, value in (section or {}).items():
        if isinstance(value, Mapping):
            plain[str(key)] = _plain(value)
        elif value is not None or str(key) not in _SECTIONS:
            plain[str(key)] = value
    return plain


def _merged(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    both = dict(lower)
    for key, value in upper.items():
        below = both.get(key)
        both[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return both


def _known_path(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The part of a pydantic location that names keys (what follows names branches of a type)."""
    path: list[str] = []
    model: type[BaseModel] | None = Settings
    for step in location:
        if model is None:
            break
        path.append(str(step))
        field = model.model_fields.get(str(step))
        model = section_model(field) if field is not None else None
    return tuple(path)


def _value_at(section: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = section
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _remove(section: dict[str, Any], path: tuple[str, ...]) -> None:
    for step in path[:-1]:
        section = section.get(step, {})
    section.pop(path[-1], None)


def _fault(path: tuple[str, ...], unknown: bool, value: object) -> Fault:
    key = ".".join(path)
    if unknown:
        parent = ".".join(path[:-1])
        allowed = ", ".join(_names_in(path[:-1]))
        where = f"{parent} has" if parent else "there are"
        return Fault(key, value, f"no such key; {where} {allowed}", _nearest_key(path))
    field = dict(all_keys()).get(key)
    if field is None:
        return Fault(key, value, f"must hold keys: {', '.join(_names_in(path))}")
    return Fault(key, value, f"must be {allowed_of(field)}", _nearest_value(field, value))


def allowed_of(field: FieldInfo) -> str:
    """What a key allows, in words."""
    extra = field.json_schema_extra
    return str(extra["allowed"]) if isinstance(extra, dict) else ""


def _names_in(path: tuple[str, ...]) -> tuple[str, ...]:
    model: type[BaseModel] | None = Settings
    for step in path:
        model = section_model(model.model_fields[step]) if model is not None else None
    return tuple(model.model_fields) if model is not None else ()


def nearest_key(key: str) -> str:
    """The dotted key of the section that looks most like `key`, with its section or without; empty where none does."""
    return _nearest_key(_known_path(tuple(key.split("."))))


def _nearest_key(path: tuple[str, ...]) -> str:
    """The key that looks most like it: beside it, or of the same last name in another section.

    One beside it of which the name is the beginning is meant, whatever looks more alike elsewhere.
    """
    beside = {name: ".".join((*path[:-1], name)) for name in _names_in(path[:-1])}
    elsewhere = {key.rsplit(".", 1)[-1]: key for key in reversed(dict(all_keys()))}
    begun = nearest(path[-1], beside, alike=1, begun=True)
    found = begun or nearest(path[-1], beside | elsewhere)
    return (elsewhere | beside)[found] if found else ""


def _nearest_value(field: FieldInfo, value: object) -> str:
    if not allowed_of(field).startswith("one of "):
        return ""
    choices = allowed_of(field).removeprefix("one of ").split(", ")
    return nearest(str(value), choices)


_SECTIONS = frozenset(
    name
    for model in (Settings, *(section_model(field) for field in Settings.model_fields.values()))
    if model is not None
    for name, field in model.model_fields.items()
    if section_model(field) is not None
)
