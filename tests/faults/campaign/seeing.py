"""What a run looked like from outside, as the value that the oracle judges."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from faults.campaign.arena import BALLAST, METRICS, Arena, heard_of
from faults.campaign.oracle import Observed
from faults.campaign.watching import described
from orcabatch.store.atomic import TEMPORARY_PREFIX
from orcabatch.store.ledger.sqlite_ledger import GROUP_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faults.harness import Child

SLACK_S = 0.1
"""So much later than its moment a result may be committed."""
ORPHANS_S = 20.0
"""Within this a process ends whose parent was killed."""


class Before:
    """What was there before a run, so that the rest is of this one."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._calls, self._loads, self._models = len(arena.calls()), arena.loads(), arena.models()
        self._temporary = _inside(arena.places["temporary"])

    def observed(self, child: Child, hung: str, idle_s: float) -> Observed:
        """All that can be seen of the run."""
        arena = self._arena
        code = child.wait()
        processes = _settled(arena)
        heard = heard_of(child)
        said = {key: value for line in heard for key, value in line.items() if "outcome" not in line}
        reported = {line["outcome"]: line["status"] for line in heard if "outcome" in line}
        calls = arena.calls()[self._calls :]
        outcomes = said.get("outcomes")
        own = f"{arena.folder}/".encode()
        results = arena.project.results
        metrics = _metrics(results / METRICS, arena.taken)
        left = (path.name for path in results.rglob(f"{TEMPORARY_PREFIX}*.tmp"))
        report = arena.folder / "notes" / "report.html"
        return Observed(
            code=code,
            hung=hung,
            exits=said.get("exits"),
            end=said.get("end"),
            error=said.get("error", ""),
            outcomes=None if outcomes is None else {name: status for name, status, _, _ in outcomes},
            errors={name: str(error) for name, status, _, error in outcomes or () if status not in {"ok", "skipped"}},
            causes={
                **{Path(each["file"]).name: str(each["cause"]) for each in (metrics or {}).get("files", ())},
                **{name: str(cause) for name, _, cause, _ in outcomes or ()},
            },
            reported=reported,
            late=frozenset(
                line["outcome"]
                for line in heard
                if "outcome" in line and line["at"] > arena.killed_s - GROUP_S - SLACK_S
            ),
            values=said.get("values", {}),
            warnings=tuple(said.get("warnings", ())),
            state=said.get("state"),
            metrics=metrics,
            # Long names may be broken where the page says so.
            report=report.read_text("utf-8").replace("<wbr>", "") if report.exists() else "",
            said=child.stderr.read_text(errors="replace") + _for_people(child),
            begun=Counter(name for what, name, _ in calls if what == "begin"),
            done=Counter(name for what, name, _ in calls if what == "end"),
            loads=arena.loads() - self._loads,
            outputs={path.name: path.read_bytes().replace(own, b"/") for path in sorted(results.glob("*.csv"))},
            temporary=(*left, *sorted(_inside(arena.places["temporary"]) - self._temporary)),
            locks=tuple(path.name for path in results.rglob("*.lock")),
            processes=processes,
            threads=tuple(said.get("threads", ())),
            descriptors=tuple(said.get("descriptors", ())),
            variables=tuple(said.get("variables", ())),
            models=arena.models() - self._models,
            idle_s=idle_s,
        )


def _for_people(child: Child) -> str:
    """What a command printed, without our own lines."""
    lines = child.stdout.read_text(errors="replace").splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("{"))


def _inside(folder: Path) -> set[str]:
    """What there is, but what the campaign filled it with, and dask's own room."""
    if not folder.is_dir():
        return set()
    inside = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in inside if name != BALLAST and not name.startswith("dask-scratch-space")}


def _metrics(path: Path, taken: bytes) -> Mapping[str, Any] | None:
    """What the run wrote, which may have been taken away since; empty where it cannot be read, None where it is not."""
    content = path.read_bytes() if path.exists() else taken
    if not content and not path.exists():
        return None
    try:
        return dict(json.loads(content.decode("utf-8")))
    except ValueError:
        return {}


def _settled(arena: Arena) -> tuple[str, ...]:
    """Who still runs of this project, after a moment for those that notice their parent's end themselves."""
    deadline = time.monotonic() + ORPHANS_S
    left = arena.processes()
    while left and time.monotonic() < deadline:
        time.sleep(0.02)
        left = arena.processes()
    names = []
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            names.append(described(process))
            process.kill()
    return tuple(names)
