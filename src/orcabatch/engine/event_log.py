"""The event log of a run: told to whoever watches, never heeded; and the record that a run is replayed from.

Covers turning what happens into `RunEvent`s and protecting the run from its watchers: one that raises is switched off
with a warning in the log; how a step of the scheduler is written down, and what it decides on that anew. Does not cover
what watchers do with the events (`orcabatch.monitor`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

from orcabatch.engine import scheduler_messages
from orcabatch.engine.contract import Listener, RunEvent
from orcabatch.engine.foreign import ordinarily
from orcabatch.engine.logs import logger
from orcabatch.engine.scheduler import Scheduler

if TYPE_CHECKING:
    from orcabatch.engine.contract import Task
    from orcabatch.engine.limits import Limits
    from orcabatch.outcome import FileOutcome

_log = logger(__name__)

Recorder = Callable[[scheduler_messages.Event, list[scheduler_messages.Instruction]], None]
"""Writes down what the scheduler was told and what it answered, for a replay."""


class EventLog:
    """Tells a listener and a recorder.

    Args:
        listener: gets one `RunEvent` for all that happens; None: nobody listens.
        recorder: gets what passes between dispatcher and scheduler; None: nobody does.
    """

    def __init__(self, listener: Listener | None, recorder: Recorder | None) -> None:
        self._listener = listener
        self._recorder = recorder

    @property
    def wanted(self) -> bool:
        """Whether anybody listens, so that there is a point in collecting what to say."""
        return self._listener is not None

    def tell(self, kind: str, at_s: float, index: int = -1, **data: Any) -> None:
        """Tell one thing."""
        listener = self._listener
        if listener is None:
            return
        event = RunEvent(kind, at_s, index, data)
        try:
            ordinarily(lambda: listener(event))
        except Exception as error:  # noqa: BLE001 - a run does not end because of who watches it
            self._listener = None
            _log.warning("a listener raised %r and is switched off; the batch goes on without it", error)

    def finished(self, outcome: FileOutcome) -> None:
        """Tell that a file ended in one of its batches."""
        if self._listener is None:
            return
        self.tell(
            "finished",
            outcome.finished_s,
            outcome.index,
            batch=outcome.batch,
            status=outcome.status.value,
            attempt=outcome.attempt,
            error=outcome.error,
            cause=outcome.cause.value if outcome.cause else None,
            worker=outcome.worker,
            phases=dict(outcome.phases),
            cpu_s=dict(outcome.usage.cpu_s),
            read_bytes=outcome.usage.read_bytes,
            memory_bytes=outcome.usage.peak_memory_bytes,
        )

    def sampled(self, at_s: float, sample: scheduler_messages.Sample) -> None:
        """Tell what was measured."""
        if self._listener is not None:
            self.tell("sample", at_s, **asdict(sample))

    def record(self, event: scheduler_messages.Event, instructions: list[scheduler_messages.Instruction]) -> None:
        """Write down one step of the scheduler."""
        recorder = self._recorder
        if recorder is None:
            return
        try:
            ordinarily(lambda: recorder(event, instructions))
        except Exception as error:  # noqa: BLE001 - a run does not end because of who writes it down
            self._recorder = None
            _log.warning("the recorder raised %r and is switched off; this run cannot be replayed", error)


_EVENTS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(scheduler_messages.Event)}


def event_to_dict(event: scheduler_messages.Event) -> dict[str, Any]:
    """JSON-able form of an event, for the event log."""
    return {"event": type(event).__name__, **asdict(event)}


def event_from_dict(data: Mapping[str, Any]) -> scheduler_messages.Event:
    """The event that `event_to_dict` wrote."""
    fields = {key: value for key, value in data.items() if key != "event"}
    if "sample" in fields:
        fields["sample"] = scheduler_messages.Sample(**fields["sample"])
    event: scheduler_messages.Event = _EVENTS[data["event"]](**fields)
    return event


def instruction_to_dict(instruction: scheduler_messages.Instruction) -> dict[str, Any]:
    """JSON-able form of an instruction."""
    return {"do": type(instruction).__name__, **asdict(instruction)}


def replay(
    tasks: Sequence[Task], limits: Limits, events: Iterable[Mapping[str, Any]]
) -> list[tuple[scheduler_messages.Event, list[scheduler_messages.Instruction]]]:
    """What the scheduler decides on a recorded event log: the same as it did then.

    Args:
        tasks: as in the recorded run.
        limits: as in the recorded run.
        events: `event_to_dict` of each event, in order.
    """
    scheduler = Scheduler(tasks, limits)
    said = []
    for data in events:
        event = event_from_dict(data)
        said.append((event, scheduler.step(event)))
    return said
