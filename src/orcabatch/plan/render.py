"""The plan for people and for files: a table for the terminal, static HTML for a notebook, JSON-able values.

Covers presentation only; everything shown stands in the plan.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.engine.executors import facts_of
from orcabatch.plan.notes import temporary_folder
from orcabatch.settings import format_count, format_duration, format_size, to_section
from orcabatch.text import shortened_list

if TYPE_CHECKING:
    from orcabatch.plan.values import BatchPlan, PlannedFile, Tier

_TIER_HEAD = ("tier", "files", "size", "count", "at once", "advised")
_NARROWEST = 40
_FIRST_FILES = 5


def plan_text(plan: BatchPlan, width: int) -> str:
    """The plan for a terminal of that many columns; nothing is wider, but for a file name that cannot be broken."""
    width = max(_NARROWEST, width)
    lines = [_wrap(line, width) for line in _summary(plan)]
    lines += [_wrap(f"! {notice}", width) for notice in plan.notices]
    if plan.tiers:
        lines += ["", *_table(_TIER_HEAD, [_tier_row(tier) for tier in plan.tiers], width), ""]
        for tier in plan.tiers:
            lines += [_wrap(f"{tier.name}: {tier.limit} at once, bound by {tier.bound_by}.", width)]
            lines += [_wrap(f"  advice: {tier.advice}.", width)]
    lines += [_wrap(line, width) for line in _named_lines(plan)]
    lines += [_wrap(f"- {note}", width) for note in plan.notes]
    return "\n".join(lines) + "\n"


def plan_html(plan: BatchPlan) -> str:
    """The plan as static HTML: no scripts, no styles of the page touched, everything escaped."""
    head = (*_TIER_HEAD, "bound by", "advice")
    rows = [(*_tier_row(tier), tier.bound_by, tier.advice) for tier in plan.tiers]
    summary = (*_summary(plan), *_named_lines(plan))
    parts = [f"<p>{'<br>'.join(escape(line) for line in summary)}</p>", _html_table(head, rows)]
    if plan.notices:
        said = "".join(
            f"<li><strong>{escape(notice.text)}.</strong> {escape(notice.remedy)}.</li>" for notice in plan.notices
        )
        parts.insert(1, f"<ul>{said}</ul>")
    if plan.notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in plan.notes) + "</ul>")
    places = {index: place for place, index in enumerate(plan.order, start=1)}
    files = [_file_row(file, places) for file in plan.files]
    table = _html_table(("file", "batch", "size", "tier", "memory", "seconds", "place"), files)
    parts.append(f"<details><summary>{len(files)} files</summary>{table}</details>")
    return "<div>" + "".join(parts) + "</div>"


def plan_dict(plan: BatchPlan) -> dict[str, Any]:
    """The plan as JSON-able values: bytes, seconds, paths as text."""
    fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
    fields["settings"] = to_section(plan.settings)
    plain: dict[str, Any] = _plain(fields)
    return plain


def _summary(plan: BatchPlan) -> Iterator[str]:
    running = [file for file in plan.files if file.skip is None]
    size = format_size(sum(file.size_bytes for file in running))
    yield f"{len(running)} of {format_count(len(plan.files), 'file')} to run, {size}"
    yield f"{plan.mode} on {plan.executor}: {plan.executor_why}"
    yield _host_line(plan)
    yield f"memory: {format_size(plan.memory_budget_bytes)} may be filled ({_memory_line(running)})"
    memory = plan.settings.memory
    yield f"garbage is collected above {memory.gc_percent:g}% of the memory; the cap is {memory.max_usage_percent:g}%"
    if running:
        yield from _running_lines(plan, running)
        yield _temporary_line(plan)
        yield _metrics_line(plan)
    yield from _skip_lines(plan.skipped)


def _named_lines(plan: BatchPlan) -> Iterator[str]:
    """Which settings bind and which only advise."""
    yield f"binding: {'; '.join(plan.binding)}."
    if plan.advising:
        yield f"advice only: {'; '.join(plan.advising)}."


def _running_lines(plan: BatchPlan, running: Sequence[PlannedFile]) -> Iterator[str]:
    at_once = format_count(plan.limit, "file")
    yield f"at once: {at_once}, bound by {plan.bound_by}; starts with {plan.start_limit}"
    if plan.processes:
        yield f"processes: at most {plan.processes}, each with {format_count(plan.threads_per_process, 'file')} at once"
    if plan.native_threads > 1:
        yield f"native threads: up to {plan.native_threads} in each loaded model"
    yield _time_line(plan, running)
    yield _order_line(plan)


def _host_line(plan: BatchPlan) -> str:
    host = plan.host
    cpus = f"{format_count(host.logical_cpus, 'CPU')}, {format_count(host.physical_cpus, 'core')}"
    nodes = format_count(host.numa_nodes, "NUMA node")
    ram = f"{format_size(host.total_ram_bytes)} RAM ({format_size(host.available_ram_bytes)} available)"
    return f"host: {cpus}, {nodes}, {ram}"


def _memory_line(running: Sequence[PlannedFile]) -> str:
    largest = max((file.memory_bytes for file in running), default=0)
    total = sum(file.memory_bytes for file in running)
    return f"predicted: {format_size(total)} for all files, {format_size(largest)} for the largest"


def _time_line(plan: BatchPlan, running: Sequence[PlannedFile]) -> str:
    if plan.predicted_s is None:
        return "time: not known before a first run"
    known = sum(file.seconds is not None for file in running)
    return f"time: about {format_duration(plan.predicted_s)} (measured before: {known} of {len(running)} files)"


def _order_line(plan: BatchPlan) -> str:
    first = shortened_list([plan.files[index].file.name for index in plan.order], most=_FIRST_FILES)
    rule = "as listed" if facts_of(plan.executor).in_order else "longest first"
    rule = f"tier after tier, small first, in each {rule}" if plan.mode == "static" and len(plan.tiers) > 1 else rule
    return f"order: {rule}: {first}"


def _temporary_line(plan: BatchPlan) -> str:
    folder = temporary_folder(plan.settings, plan.host)
    disk = None if folder is None else plan.host.disk_of(folder)
    kind = f" ({disk.kind})" if disk is not None and disk.kind != "unknown" else ""
    return f"temporary files: {folder or 'where the system has them'}{kind}"


def _metrics_line(plan: BatchPlan) -> str:
    asked = plan.settings.monitoring
    sampled = f"sampled every {format_duration(asked.interval)}" if asked.enabled else "no samples over time"
    return f"metrics: {asked.metrics_file if asked.export_metrics else 'not written'}, {sampled}"


def _skip_lines(skipped: Sequence[PlannedFile]) -> Iterator[str]:
    reasons = dict.fromkeys(file.skip for file in skipped)
    for reason in reasons:
        yield f"skipped: {sum(file.skip == reason for file in skipped)} ({reason})"


def _tier_row(tier: Tier) -> tuple[str, ...]:
    numbers = (tier.count, tier.limit, tier.advised)
    return (tier.name, str(tier.files), format_size(tier.total_bytes), *map(str, numbers))


def _file_row(file: PlannedFile, places: Mapping[int, int]) -> tuple[str, ...]:
    place = str(places[file.index]) if file.skip is None else f"skipped: {file.skip}"
    seconds = "" if file.seconds is None else f"{file.seconds:.1f}"
    sizes = (format_size(file.size_bytes), file.tier, format_size(file.memory_bytes))
    return (str(file.file), ", ".join(file.batches), *sizes, seconds, place)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """Columns as wide as their content: the first to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    gap = "  " if sum(widths) + 2 * len(widths) <= width else " "
    for row in (head, *rows):
        cells = (cell.rjust(widths[column]) if column else cell.ljust(widths[0]) for column, cell in enumerate(row))
        yield gap.join(cells).rstrip()


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _wrap(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
