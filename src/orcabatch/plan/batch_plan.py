"""The plan, and how it is shown: a table for the terminal, static HTML for a notebook, JSON-able values.

A plan is made by `orcabatch.plan.make.make_plan` and never changes; it can be printed, compared, stored and simulated
without running anything. Everything shown stands in it. Does not cover what happens while running (`orcabatch.engine`).
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.engine.executors import facts_of
from orcabatch.plan.notes import temporary_folder
from orcabatch.settings import Settings, format_count, format_duration, format_size, to_section
from orcabatch.text import duration, shortened_list

if TYPE_CHECKING:
    from orcabatch.host import HostResources
    from orcabatch.notice import Notice
    from orcabatch.plan.tiers import PlannedFile, Tier

_TIER_HEAD = ("tier", "files", "size", "count", "at once", "advised")
DECIDED = "How that was decided:"
_NARROWEST = 40
_PLAIN = frozenset({str, int, float, bool, type(None)})
_FIRST_FILES = 5


@dataclass(frozen=True, repr=False)
class BatchPlan:
    """What a run will do, and why.

    Attributes:
        mode: static, dynamic or hybrid.
        executor: what the workers are.
        executor_why: why.
        tiers: the tiers that have files to run, small to large.
        files: every file in input order, skipped ones too.
        order: indices of the files to run, in the order in which they start where memory, seats and counts let them:
            longest predicted first, files of one folder together among equals; as listed with `executor: serial`; with
            `static` tier after tier, the small one first.
        memory_budget_bytes: what may be filled: `max_usage_percent` of the total, less what is in use already.
        limit: the most files worked on at once.
        ceiling: the same without the memory cap (see `Tier.ceiling`).
        bound_by: the constraint that set `limit`.
        start_limit: how many to start with; `limit` for static.
        min_limit: how far the adaptive limit may fall: `min_threads` where the user wrote it, else 1.
        processes: worker processes at most, enough for the ceiling; 0 where the workers are in this process, or were
            started by somebody else (`dask.address`).
        threads_per_process: files that each process works on at once at most.
        native_threads: threads that each loaded model may use itself, also with `ceiling` files at once; 0: all cores.
        predicted_s: wall time as far as past runs tell; None where nothing is known.
        binding: the settings that no count exceeds (or falls below), each with its value and whether it was written.
        advising: the rules of thumb that bind nothing here, each with its number and whether it was written.
        notes: what the engineer should know before starting.
        notices: what will be done with the results without a word, as far as is known.
        writes: what will be written where, a line for each batch; of a batch that is only planned.
        again: which files that had results will be done again, and why; of a batch that is only planned.
        host, settings: what the plan was made for and from.
    """

    mode: str
    executor: str
    executor_why: str
    tiers: tuple[Tier, ...]
    files: tuple[PlannedFile, ...]
    order: tuple[int, ...]
    memory_budget_bytes: int
    limit: int
    ceiling: int
    bound_by: str
    start_limit: int
    min_limit: int
    processes: int
    threads_per_process: int
    native_threads: int
    predicted_s: float | None
    binding: tuple[str, ...]
    advising: tuple[str, ...]
    notes: tuple[str, ...]
    host: HostResources
    settings: Settings = field(default_factory=Settings)
    notices: tuple[Notice, ...] = ()
    writes: tuple[str, ...] = ()
    again: tuple[str, ...] = ()

    @property
    def skipped(self) -> tuple[PlannedFile, ...]:
        """The files that will not run."""
        return tuple(file for file in self.files if file.skip is not None)

    def to_text(self, width: int = 100) -> str:
        """The plan for a terminal of that many columns."""
        return plan_text(self, width)

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-able values, for the metrics."""
        return plan_dict(self)

    def _repr_html_(self) -> str:
        return plan_html(self)

    def __repr__(self) -> str:
        counts = ", ".join(f"{tier.name} {tier.files} at {tier.limit}" for tier in self.tiers) or "nothing to run"
        return f"<BatchPlan: {len(self.files)} files ({counts}), {self.mode} on {self.executor}, limit {self.limit}>"


def plan_text(plan: BatchPlan, width: int) -> str:
    """The plan for a terminal of that many columns; nothing is wider, but for a file name that cannot be broken.

    First what a person asks, then what is suspicious, then how the numbers came about.
    """
    width = max(_NARROWEST, width)
    lines = [_wrap(line, width) for line in _summary(plan)]
    lines += [_wrap(f"! {notice}", width) for notice in plan.notices]
    lines += [_wrap(f"- {note}", width) for note in plan.notes]
    lines += ["", DECIDED, *(_wrap(line, width) for line in _details(plan))]
    if plan.tiers:
        lines += ["", *_table(_TIER_HEAD, [_tier_row(tier) for tier in plan.tiers], width), ""]
        for tier in plan.tiers:
            lines += [_wrap(f"{tier.name}: {tier.limit} at once, limited by {tier.bound_by}.", width)]
            lines += [_wrap(f"  advice: {tier.advice}.", width)]
    lines += [_wrap(line, width) for line in _named_lines(plan)]
    return "\n".join(lines) + "\n"


def plan_html(plan: BatchPlan) -> str:
    """The plan as static HTML: no scripts, no styles of the page touched, everything escaped."""
    head = (*_TIER_HEAD, "limited by", "advice")
    rows = [(*_tier_row(tier), tier.bound_by, tier.advice) for tier in plan.tiers]
    parts = [_html_lines(_summary(plan))]
    if plan.notices:
        said = "".join(
            f"<li><strong>{escape(notice.text)}.</strong> {escape(notice.remedy)}.</li>" for notice in plan.notices
        )
        parts.append(f"<ul>{said}</ul>")
    if plan.notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in plan.notes) + "</ul>")
    decided = _html_lines((*_details(plan), *_named_lines(plan))) + _html_table(head, rows)
    parts.append(f"<details><summary>{escape(DECIDED.rstrip(':'))}</summary>{decided}</details>")
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
    """What a person asks: how much, what again and why, what is written where, how many at once, how long."""
    running = [file for file in plan.files if file.skip is None]
    size = format_size(sum(file.size_bytes for file in running))
    yield f"{len(running)} of {format_count(len(plan.files), 'file')} to run, {size}"
    for reason in dict.fromkeys(file.skip for file in plan.skipped):
        yield f"skipped: {sum(file.skip == reason for file in plan.skipped)} ({reason})"
    yield from (f"again: {again}" for again in plan.again)
    yield from (f"writes: {written}" for written in plan.writes)
    if running:
        yield _at_once_line(plan)
        yield _time_line(plan, running)


def _details(plan: BatchPlan) -> Iterator[str]:
    running = [file for file in plan.files if file.skip is None]
    yield f"{plan.mode} on {plan.executor}: {plan.executor_why}"
    yield _host_line(plan)
    yield f"memory: {format_size(plan.memory_budget_bytes)} may be filled ({_memory_line(running)})"
    memory = plan.settings.memory
    yield f"garbage is collected above {memory.gc_percent:g}% of the memory; the cap is {memory.max_usage_percent:g}%"
    if running:
        yield from _running_lines(plan)
        yield _temporary_line(plan)
        yield _metrics_line(plan)


def _named_lines(plan: BatchPlan) -> Iterator[str]:
    """Which settings limit how many files run at once, and which rules only advise."""
    yield f"settings that limit how many run at once: {'; '.join(plan.binding)}."
    if plan.advising:
        yield f"rules of thumb, which limit nothing here: {'; '.join(plan.advising)}."


def _at_once_line(plan: BatchPlan) -> str:
    """One number to begin with, one at most, and what sets it."""
    if plan.limit == plan.start_limit == plan.ceiling:
        return f"at once: {plan.limit} all along (limit: {plan.bound_by})"
    most = f"at most {plan.limit} (limit: {plan.bound_by})"
    further = f", or {plan.ceiling} where they take less memory than predicted" if plan.ceiling > plan.limit else ""
    return f"at once: {plan.start_limit} to begin with, more while that pays, {most}{further}"


def _running_lines(plan: BatchPlan) -> Iterator[str]:
    if plan.processes:
        yield f"processes: at most {plan.processes}, each with {format_count(plan.threads_per_process, 'file')} at once"
    if plan.native_threads != 1:
        yield f"native threads: {f'up to {plan.native_threads}' if plan.native_threads else 'all'} in each loaded model"
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
    return f"time: about {duration(plan.predicted_s)} (measured before: {known} of {len(running)} files)"


def _order_line(plan: BatchPlan) -> str:
    first = shortened_list([plan.files[index].file.name for index in plan.order], most=_FIRST_FILES)
    rule = "as listed" if facts_of(plan.executor).as_listed else "longest first"
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


def _tier_row(tier: Tier) -> tuple[str, ...]:
    numbers = (tier.count, tier.limit, tier.advised)
    return (tier.name, str(tier.files), format_size(tier.total_bytes), *map(str, numbers))


def _file_row(file: PlannedFile, places: Mapping[int, int]) -> tuple[str, ...]:
    place = str(places[file.index]) if file.skip is None else f"skipped: {file.skip}"
    seconds = "" if file.seconds is None else f"{file.seconds:.1f}"
    sizes = (format_size(file.size_bytes), file.tier, format_size(file.memory_bytes))
    return (str(file.file), ", ".join(file.batches), *sizes, seconds, place)


def _html_lines(lines: Iterable[str]) -> str:
    return f"<p>{'<br>'.join(escape(line) for line in lines)}</p>"


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
    if type(value) in _PLAIN:  # nearly all: ten for each file
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value
