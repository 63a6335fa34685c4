"""The kinds of values that keys of the `performance:` section take, and how a key is declared.

Covers reading each kind from what a YAML holds, and what the settings reference says of a key. Does not cover the keys
themselves (`orcabatch.settings.sections`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, JsonValue

from orcabatch.settings import units

Size = Annotated[int, BeforeValidator(units.parse_size)]
Seconds = Annotated[float, BeforeValidator(units.parse_duration)]
PerSecond = Annotated[float, BeforeValidator(units.parse_rate)]
Percent = Annotated[float, BeforeValidator(units.parse_percent)]
Number = Annotated[float, BeforeValidator(units.parse_number)]
Whole = Annotated[int, BeforeValidator(units.parse_whole)]
Switch = Annotated[bool, BeforeValidator(units.parse_switch)]
Text = Annotated[str, BeforeValidator(units.parse_text), Field(min_length=1)]


def key(default: Any, does: str, allowed: str, *, shown: str = "", **limits: Any) -> Any:
    """A field with what it does, what it allows, and its default as people write it (where that differs)."""
    extra: dict[str, JsonValue] = {"allowed": allowed, "shown": shown}
    return Field(default=default, description=does, json_schema_extra=extra, **limits)


def choice(default: str | None, does: str, *allowed: str, shown: str = "") -> Any:
    """A key that takes one of these words; None stands for what `shown` says."""
    return key(default, does, "one of " + ", ".join(allowed), shown=shown)


def switch(default: bool, does: str) -> Any:
    """A key that is true or false."""
    return key(default, does, units.SWITCH_ALLOWED)


def count(default: int | None, does: str, *, least: int = 1, shown: str = "") -> Any:
    """A key that takes a whole number; None stands for what `shown` says."""
    return key(default, does, f"{units.WHOLE_ALLOWED}, at least {least}", shown=shown, ge=least)
