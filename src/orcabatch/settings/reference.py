"""The settings reference as Markdown, generated from the models so that it cannot drift from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from orcabatch.settings.models import Settings
from orcabatch.settings.parse import allowed_of, section_model

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

_HEAD = ("| key | default | allowed | what it does |", "|---|---|---|---|")


def settings_reference() -> str:
    """A Markdown table for every sub-section of `performance:`, with default, allowed values and meaning."""
    return "\n".join(_tables(Settings, "")) + "\n"


def _tables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    rows = [_row(name, field) for name, field in model.model_fields.items() if section_model(field) is None]
    title = f"`performance.{prefix}`" if prefix else "`performance`"
    summary = (model.__doc__ or "").strip().splitlines()[0]
    yield from (f"## {title}", "", summary, "")
    if rows:
        yield from (*_HEAD, *rows, "")
    for name, field in model.model_fields.items():
        child = section_model(field)
        if child is not None:
            yield from _tables(child, f"{prefix}.{name}" if prefix else name)


def _row(name: str, field: FieldInfo) -> str:
    cells = (f"`{name}`", _default(field), allowed_of(field), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    shown = str(extra.get("shown", "")) if isinstance(extra, dict) else ""
    if shown:
        return shown
    value = field.default
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`"
