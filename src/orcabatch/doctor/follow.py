"""What a run does about assumptions that do not hold: settings in, settings with something switched off out.

Pure. Nothing is ever switched on: a setting that is as careful already stays, and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.doctor.assumptions import BY_NAME, Assumption
from orcabatch.engine.executors import AUTO, PROCESSES, facts_of

if TYPE_CHECKING:
    from orcabatch.doctor.verdicts import BrokenAssumption
    from orcabatch.settings import Settings

SERIAL = "serial"
STRICTER_SCOPES = {"host": 0, "process": 1, "model": 2}
"""A seat for each model is more than one for each process: where models need one each, fewer are open at once."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Settings after the verdicts.

    Attributes:
        settings: with what does not hold switched off.
        notes: one for each verdict, for the engineer.
        memory_factor: what a loaded file takes over its size, where more than predicted was measured; None: as usual.
    """

    settings: Settings
    notes: tuple[str, ...] = ()
    memory_factor: float | None = None


def followed(settings: Settings, broken: Iterable[BrokenAssumption], *, moves: bool) -> Followed:
    """The settings without what relies on broken assumptions.

    Args:
        settings: as the user wrote them.
        broken: what does not hold here.
        moves: whether all batches may go to worker processes unasked.
    """
    notes, factor = list[str](), None
    for each in broken:
        assumption = BY_NAME[each.name]
        before, changes = settings, dict(assumption.off)
        if assumption.apart:
            changes |= apart(settings, needed=assumption.apart == "needed", moves=moves)
        for key, value in changes.items():
            settings = _with(settings, key.split("."), value)
        switched = pasted(
            {key: value for key, value in changes.items() if _value(before, key) != _value(settings, key)}
        )
        done = _done(assumption, settings, switched)
        if assumption.name == "memory_loaded" and (factor := float(each.figures.get("memory_factor", 0.0)) or None):
            done = f"so {factor:.2f} times its size is reserved for a file that was never run"
        notes.append(_note(assumption, each.at, done))
    return Followed(settings, tuple(notes), factor)


def apart(settings: Settings, *, needed: bool, moves: bool) -> dict[str, Any]:
    """Changes after which no process has two models; none where the executor cannot, or need not, be another."""
    facts = facts_of(settings.executor)
    if settings.dask.address is not None or facts.most_at_once == 1:
        return {}
    if not facts.in_process or settings.threading.mode == "hybrid":
        return {"threads_per_process": 1}
    if settings.executor == AUTO and moves:
        return {"executor": PROCESSES, "threads_per_process": 1}
    return {"executor": SERIAL} if needed else {}


def pasted(changes: Mapping[str, Any]) -> str:
    """Settings as they would stand in the `performance:` section, on one line."""
    return ", ".join(
        f"{key}: {str(value).lower() if isinstance(value, bool) else value}" for key, value in changes.items()
    )


def _note(assumption: Assumption, at: str, done: str) -> str:
    again = "`orcabatch doctor --sim` asks again, `--forget` forgets"
    return f"doctor ({at}): it does not hold here that {assumption.says}; {done} ({again})."


def _done(assumption: Assumption, settings: Settings, switched: str) -> str:
    """What a run does about it, in words."""
    if switched:
        return f"so this run has {switched}"
    if assumption.apart == "needed" and settings.dask.address is not None:
        return "start the workers at dask.address with one thread each: that cannot be switched from here"
    if assumption.apart == "faster":
        return "`executor: processes` may be faster"
    if assumption.off or assumption.apart:
        return "what relies on it is off already"
    return f"nothing is switched off for it, but it is relied on for {assumption.relied_on}"


def _with(settings: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    now = getattr(settings, name)
    if rest:
        return settings.model_copy(update={name: _with(now, rest, value)})
    if name == "scope" and STRICTER_SCOPES[now] >= STRICTER_SCOPES[value]:
        return settings
    return settings.model_copy(update={name: value})


def _value(settings: Any, key: str) -> Any:
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings
