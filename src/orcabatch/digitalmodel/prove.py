"""The proof on a user's own files: some files of a finished batch, once more through digitalmodel's own loop.

    ProofInput ── choose files ──> reference_run.py (a fresh process without orcabatch) ──> compare ──> ProofReport

Time series are compared byte for byte, and of the summaries and linked statistics the rows of the chosen files. The
first file of a serial batch is always among the chosen, because it
settles open periods for all others. Does not cover comparing two folders (`orcabatch.store.compare`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.console import awaited, is_frozen, no_python, own_python
from orcabatch.digitalmodel.proof_findings import ProofFindings
from orcabatch.digitalmodel.proof_input import ProofInput, ProvenFile, read_proof_input
from orcabatch.errors import DigitalModelError, SourceError
from orcabatch.orcaflex.binding import library_of_children
from orcabatch.store.compare import CANNOT_BE_READ
from orcabatch.text import and_more, plural
from orcabatch.win32 import is_folder, without_window

if TYPE_CHECKING:
    from orcabatch.notice import Notice
    from orcabatch.store.compare import FileDifference, Unread

REFERENCE_RUN = Path(__file__).with_name("reference_run.py")
_SHOWN = 10
"""Files that the page names, so that it stays one page."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What digitalmodel itself made of the chosen files.

    Attributes:
        folders: one per run of its loop.
        versions: of what it ran with.
        wall_s: seconds it took, imports included.
        loop_s: seconds that its loop took, over all files, imports left out.
    """

    folders: tuple[Path, ...]
    versions: Mapping[str, str]
    wall_s: float
    loop_s: float


@dataclass(frozen=True, slots=True)
class ProofReport:
    """What the proof found; one page as text.

    Attributes:
        batch: what was proven.
        files: the files that were chosen.
        versions: what the reference ran with.
        series: how many time series are the same, byte for byte.
        rows: how many rows of summaries and linked statistics hold the same.
        rewritten: cells among them that hold the same number, written as the rest of its column demands.
        differences: what differs; empty where the proof holds.
        unread: tables of the batch that could not be read, so that nothing is proven of them.
        wall_s: seconds that the reference took, imports included.
        loop_s: seconds that digitalmodel's loop took, over the chosen files.
    """

    batch: ProofInput
    files: tuple[ProvenFile, ...]
    versions: Mapping[str, str]
    series: int
    rows: int
    rewritten: int
    differences: tuple[FileDifference, ...]
    unread: tuple[Unread, ...]
    wall_s: float
    loop_s: float

    @property
    def equal(self) -> bool:
        """Whether the batch wrote what digitalmodel itself writes."""
        return not (self.differences or self.unread)

    @property
    def differs(self) -> bool:
        """Whether it wrote something else, whatever could not be read."""
        return bool(self.differences)

    @property
    def workers(self) -> int:
        """How many workers had processed the chosen files, as far as is known: not of those of an earlier run."""
        return len({file.worker for file in self.files if file.worker})

    def chosen_of(self, notice: Notice) -> tuple[Path, ...]:
        """Which of the chosen files a notice concerns: all, where it concerns whatever file there is."""
        chosen = [Path(file.file) for file in self.files]
        return tuple(file for file in chosen if file in set(notice.files) or not notice.files)

    def to_text(self) -> str:
        """One page that can be attached to a report."""
        lines = [f"Proof of {self.batch.name}: {self._answer()}", *self._circumstances(), *self._findings()]
        return "\n".join([*lines, *self._silently()])

    def _answer(self) -> str:
        if self.unread and not self.differs:
            return f"NOT TOLD: {plural(len(self.unread), 'file')} of the results cannot be read"
        return f"{'DIFFERENT from' if self.differs else 'IDENTICAL to'} digitalmodel's own run"

    def _circumstances(self) -> list[str]:
        loop = "each file alone (per_file)" if self.batch.per_file else "one after the other (serial)"
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        shown = [f"    {file.file}  (by {file.worker or 'an earlier run'})" for file in self.files[:_SHOWN]]
        more = and_more(len(self.files), _SHOWN)
        shown += [f"    {more}"] if more else []
        return [
            f"  results         {self.batch.result_folder}",
            f"  batch ran with  digitalmodel {self.batch.digitalmodel}, OrcaFlex {self.batch.orcaflex}",
            f"  reference       digitalmodel's own loop, {loop},",
            f"                  in a fresh process without orcabatch, {self.wall_s:.1f} s; {versions}",
            f"  files           {len(self.files)} of {len(self.batch.files)}, processed by {self._workers_in_words()}",
            *shown,
        ]

    def _workers_in_words(self) -> str:
        earlier = sum(not file.worker for file in self.files)
        if earlier == len(self.files):
            return "an earlier run, by which workers is not known"
        before = f", {earlier} of them by an earlier run" if earlier else ""
        if self.workers > 1 or earlier:
            return plural(self.workers, "worker") + before
        return "one worker (so this says nothing about threads)"

    def _findings(self) -> list[str]:
        lines = [
            f"  time series     {self.series} files the same, byte for byte",
            f"  summaries       {self.rows} rows the same",
        ]
        if self.rewritten:
            lines.append(
                f"                  {self.rewritten} cells hold the same number, written as their whole column is"
            )
        for difference in self.differences:
            lines.append(f"  differs         {difference.file}: {difference.reason}")
            lines += [f"                  {line}" for line in (difference.table.lines() if difference.table else ())]
        lines += [f"  not told        {unread}" for unread in self.unread]
        return lines + ([f"                  {CANNOT_BE_READ}"] if self.unread else [])

    def _silently(self) -> list[str]:
        """What identical does not mean: which silent doings of digitalmodel the proof reproduced."""
        if not self.equal:
            return []
        return [*self._checked(), *self._noticed()]

    def _checked(self) -> list[str]:
        """What the check said of the configuration, which is the reference's own too."""
        said = "  identical does not mean right: the check of the YAML found what digitalmodel's own run has as well:"
        return [said, *(f"    {finding}" for finding in self.batch.findings)] if self.batch.findings else []

    def _noticed(self) -> list[str]:
        if not self.batch.notices:
            return []
        shown = [notice for notice in self.batch.notices if self.chosen_of(notice)]
        others = len(self.batch.notices) - len(shown)
        lines = (
            ["  identical does not mean right: without a word digitalmodel's own run does this as well:"]
            if shown
            else []
        )
        for notice in shown:
            concerned = f"in {len(self.chosen_of(notice))} of the {len(self.files)} proven files"
            lines += [f"    reproduced {concerned}: {notice.text}.", f"        {notice.remedy}."]
        if others:
            lines.append(f"  not looked at: {others} of the batch's notices concern files that were not chosen:")
            lines += [f"    {notice.text}." for notice in self.batch.notices if notice not in shown]
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        return {
            "equal": self.equal,
            "batch": self.batch.name,
            "result_folder": self.batch.result_folder,
            "per_file": self.batch.per_file,
            "orcaflex": self.batch.orcaflex,
            "files": [file.file for file in self.files],
            "workers": self.workers,
            "versions": dict(self.versions),
            "series_identical": self.series,
            "rows_equal": self.rows,
            "cells_written_differently": self.rewritten,
            "differences": [difference.to_dict() for difference in self.differences],
            "unread": [unread.to_dict() for unread in self.unread],
            "findings": list(self.batch.findings),
            "notices": [
                notice.to_dict()
                | {
                    "reproduced": self.equal and bool(self.chosen_of(notice)),
                    "proven_files": [str(file) for file in self.chosen_of(notice)],
                }
                for notice in self.batch.notices
            ],
            "reference_s": self.wall_s,
        }


def prove(result: ProofInput | str | Path, files: int = 3) -> ProofReport:
    """Run `files` files of a finished batch through digitalmodel itself and compare.

    Args:
        result: the batch: its result folder, its metrics file, or what it left there.
        files: how many files; more than one.

    Raises:
        SourceError: there is nothing to prove, or too few files are asked for.
        DigitalModelError: digitalmodel's own run failed.
    """
    batch = result if isinstance(result, ProofInput) else read_proof_input(result)
    chosen = choose_files(batch, files)
    with tempfile.TemporaryDirectory(prefix="orcabatch-proof-", ignore_cleanup_errors=True) as folder:
        reference = run_reference(batch, chosen, Path(folder))
        found = ProofFindings(batch)
        for place, proven in zip(reference.folders, _runs(batch, chosen), strict=True):
            found.compare(place, proven)
    if not (found.series or found.rows or found.differences or found.unread):
        raise SourceError(f"The batch {batch.name} asks for no output that could be compared: nothing was proven.")
    return ProofReport(
        batch=batch,
        files=chosen,
        versions=reference.versions,
        series=found.series,
        rows=found.rows,
        rewritten=found.rewritten,
        differences=tuple(found.differences),
        unread=tuple(found.unread),
        wall_s=reference.wall_s,
        loop_s=reference.loop_s,
    )


def choose_files(batch: ProofInput, count: int) -> tuple[ProvenFile, ...]:
    """`count` files of the batch in input order: the first, then by workers not yet seen and far from each other.

    Raises:
        SourceError: fewer than two are asked for, or the batch has no results.
    """
    if count < 2:
        raise SourceError(f"A proof needs at least 2 files, not {count}: order matters in digitalmodel's loop.")
    occurrences: dict[str, list[ProvenFile]] = {}
    for file in batch.files:
        occurrences.setdefault(file.file, []).append(file)
    # A file that is listed twice has two rows, which only the serial loop makes.
    waiting = [same[0] for same in occurrences.values() if len(same) == 1 or not batch.per_file]
    if not waiting:
        raise SourceError(f"The batch {batch.name} has no file with results, so there is nothing to prove.")
    chosen = [waiting.pop(0)]
    while waiting and len(chosen) < count:
        seen = {file.worker for file in chosen}
        best = min(waiting, key=lambda file: (file.worker in seen, -min(abs(file.index - c.index) for c in chosen)))
        waiting.remove(best)
        chosen.append(best)
    return tuple(sorted((same for one in chosen for same in occurrences[one.file]), key=lambda file: file.index))


def _runs(batch: ProofInput, files: Sequence[ProvenFile]) -> list[Sequence[ProvenFile]]:
    """Which files share one run of digitalmodel's loop."""
    return [[file] for file in files] if batch.per_file else [files]


def run_reference(batch: ProofInput, files: Sequence[ProvenFile], folder: Path) -> Reference:
    """Digitalmodel's own run over `files`, written below `folder` by a process that knows nothing of orcabatch.

    Raises:
        DigitalModelError: it failed; the message holds its last words. Or this program is no Python that it could run.
    """
    if why := no_python():
        raise DigitalModelError(f"digitalmodel's own run needs a process of its own: {why}")
    question: dict[str, Any] = {
        "cfg": batch.cfg,
        "runs": [[file.index for file in run] for run in _runs(batch, files)],
        "orcaflex": batch.orcaflex,
        "out": str(folder),
        "frozen": is_frozen(),
        "sys_path": [entry or str(Path.cwd()) for entry in sys.path],
    }
    asked = folder / "question.json"
    asked.write_text(json.dumps(question), encoding="utf-8")
    working = Path(batch.working_folder)
    begun = time.perf_counter()
    with subprocess.Popen(
        own_python(str(REFERENCE_RUN), str(asked)),
        cwd=working if is_folder(working) else folder,
        # The encoding is of its streams; its open() stays as it is.
        env={**os.environ, **library_of_children(), "PYTHONIOENCODING": "utf-8:backslashreplace"},
        stdin=subprocess.DEVNULL,  # ours may be a handle of nothing: a GUI program's, a service's
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        creationflags=without_window(),
    ) as process:
        try:
            _, words = awaited(lambda piece_s: process.communicate(timeout=piece_s))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        last_words = "\n  ".join(words.strip().splitlines()[-8:])
        raise DigitalModelError(f"digitalmodel's own run over {len(files)} files of the batch failed:\n  {last_words}")
    answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    folders = tuple(folder / str(number) for number in range(len(question["runs"])))
    versions = {**answer["versions"], "Python": answer["python"]}
    return Reference(folders, versions, time.perf_counter() - begun, answer["loop_s"])
