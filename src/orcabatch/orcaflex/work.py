"""The engine's `Recipe` and `Worker` over OrcaFlex sessions: load a file once, compute each batch's result from it.

A file that a batch's code may have changed is loaded again for the next batch that wants it.

    OrcaFlexRecipe ── open_worker (per thread) ──> OrcaFlexWorker ── Session ── model
         └─ per process: OrcFxAPI looked up once, the broker shared by all sessions

What is computed is the `PostProcess`'s affair: a user's function (`orcabatch.orcaflex.user_function`) or digitalmodel's
code (`orcabatch.digitalmodel`). A simulation that did not reach its end is computed from all the same, with a warning
(R31).
"""

from __future__ import annotations

import contextlib
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orcabatch.engine.contract import Extracted, Note, PhaseClock, Task
from orcabatch.engine.logs import logger
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.orcaflex import failures
from orcabatch.orcaflex.binding import (
    Binding,
    BindingKind,
    Wanted,
    check_version,
    count_unlocked,
    find_binding,
    load_library,
    loaded_library,
    loaded_version,
)
from orcabatch.orcaflex.broker import BrokerOptions, Question
from orcabatch.orcaflex.incomplete import simulation_warnings
from orcabatch.orcaflex.owners import Shells
from orcabatch.orcaflex.session import Session
from orcabatch.orcaflex.sim_files import check_readable
from orcabatch.outcome import Phase

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.broker import ResultBroker
    from orcabatch.outcome import Failure

_log = logger(__name__)

PREFETCHED = "prefetched"
"""Subject of the note that a file's results used joint answers."""
MISMATCH = "prefetch_mismatch"
"""Subject of the note that a joint answer differed from the single one; the content names the variable."""
JOINT_REQUESTS = "joint_requests"
"""Name of the count of requests for several results at once (see `Usage.counts`)."""

Noting = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True)
class TaskPayload:
    """What the job of several batches hands along with a file: `Task.payload` of every task that goes to OrcaFlex.

    Attributes:
        batches: what each batch hands along for this file, by the batch's name.
        prefetch: whether joint answers may be used.
    """

    batches: Mapping[str, Any] = field(default_factory=dict)
    prefetch: bool = True


@dataclass(frozen=True, slots=True)
class FileContext:
    """What a post-process is told besides the model.

    Attributes:
        file: the `.sim` file, absolute.
        batch: the batch's name.
        payload: what the batch handed along for this file (`TaskPayload.batches`).
        clock: to be told when it begins to write.
        note: says something to the job: subject, picklable content.
        session_kind: what stands behind OrcFxAPI.
    """

    file: Path
    batch: str
    payload: Any
    clock: PhaseClock
    note: Noting
    session_kind: BindingKind


class PostProcess(Protocol):
    """What is computed from a loaded file. Picklable where workers are processes.

    One that knows beforehand which time histories it will ask for in every file has a third method, `questions`,
    without arguments, that returns them (an iterable of `orcabatch.orcaflex.broker.Question`): then the first file is
    asked jointly already. It is called once per process, after `prepare`.
    """

    def prepare(self) -> None:
        """Called once per process, before OrcFxAPI is looked up."""

    def __call__(self, model: Any, context: FileContext) -> Extracted:
        """The batch's result; may raise anything."""

    def may_repeat(self, error: BaseException) -> bool:
        """Whether computing again does no harm after this error, which may heal."""


@dataclass(frozen=True)
class OrcaFlexRecipe:
    """How workers over OrcaFlex come to be, in this process or another.

    Attributes:
        postprocesses: what each batch computes, by the batch's name.
        orcaflex: "real" takes the OrcFxAPI that is there, "simulated" puts the simulated DLL under it.
        broker: None as well as `enabled=False`: OrcFxAPI is asked as the code asks.
        thread_count: native threads of each model; 0: as many as OrcaFlex gives it by itself.
        loads: whether files are loaded before they are computed from; False: the post-process opens them itself.
        reuse_models: False: each file gets a native model of its own.
    """

    postprocesses: Mapping[str, PostProcess]
    orcaflex: Wanted = "real"
    broker: BrokerOptions | None = field(default_factory=BrokerOptions)
    thread_count: int = 1
    loads: bool = True
    reuse_models: bool = True
    token: str = field(default_factory=lambda: uuid.uuid4().hex, repr=False)

    def open_worker(self, note: Callable[[Note], None]) -> OrcaFlexWorker:
        """A new worker for the calling thread.

        Raises:
            OrcaFlexUnavailable: OrcFxAPI cannot be imported.
        """
        return OrcaFlexWorker(self, self._shared(), note)

    def explain(self, error: BaseException, task: Task, phase: Phase) -> Failure:
        """What an exception of a worker means for the engineer; `task.batches` are those it concerns."""
        failure = failures.explain(error, task.file, phase)
        if task.read_from is not None:
            failure = failures.of_original(failure, task.read_from, task.file)
        if phase is Phase.LOAD or all(self.postprocesses[batch].may_repeat(error) for batch in task.batches):
            return failure
        return failures.final(failure, error)

    def __getstate__(self) -> dict[str, Any]:
        # First the DLL: the module of a user's function may import OrcFxAPI, which then has one, or is not there.
        dll = _SimulatedDll() if self.orcaflex == "simulated" else _LoadedDll(loaded_library())
        version = "" if self.orcaflex == "simulated" else loaded_version()
        return {"_dll": dll, "_version": version} | {
            name: value for name, value in self.__dict__.items() if name != "_held"
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.pop("_dll", None)
        self.__dict__.update(state)

    @property
    def version(self) -> str:
        """Version of OrcaFlex's DLL where this comes from, if that is another process and has one; else empty."""
        return str(self.__dict__.get("_version", ""))

    def _shared(self) -> _Shared:
        # Sessions of a process share what they learn, also when workers come and go; it ends with the recipe.
        with _SHARING:
            shared = _SHARED.get(self.token)
            if shared is None:
                shared = _Shared.opened(self)
                _SHARED[self.token] = shared
            self.__dict__["_held"] = shared
            return shared


class _SimulatedDll:
    """Is installed where it is unpacked; where that fails, the worker that needs it says why."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _installed, ()


@dataclass(frozen=True)
class _LoadedDll:
    """What OrcFxAPI loads where it is unpacked."""

    path: str

    def __reduce__(self) -> tuple[Any, ...]:
        return load_library, (self.path,)


def _installed() -> None:
    with contextlib.suppress(OrcaFlexUnavailable):
        find_binding("simulated")


class _Shared:
    """What the workers of one process have in common."""

    def __init__(self, binding: Binding, broker: ResultBroker | None) -> None:
        self.binding, self.broker = binding, broker
        self.shells = Shells()

    @classmethod
    def opened(cls, recipe: OrcaFlexRecipe) -> _Shared:
        binding = find_binding(recipe.orcaflex)
        check_version(binding, recipe.version)
        count_unlocked(binding)
        for postprocess in recipe.postprocesses.values():
            postprocess.prepare()
        options = recipe.broker
        if options is None or not options.enabled or not binding.is_genuine or not recipe.loads:
            return cls(binding, None)
        # Who only plans, or finds all results of an earlier run, makes a recipe and opens no worker.
        from orcabatch.orcaflex.broker.broker import ResultBroker

        return cls(binding, ResultBroker(binding.module, options, tuple(_foreseen(recipe))))


def _foreseen(recipe: OrcaFlexRecipe) -> Iterator[Question]:
    for postprocess in recipe.postprocesses.values():
        questions = getattr(postprocess, "questions", None)
        if questions is not None:
            yield from questions()


_SHARED: weakref.WeakValueDictionary[str, _Shared] = weakref.WeakValueDictionary()
_SHARING = threading.Lock()


class OrcaFlexWorker:
    """The engine's `Worker`: one session, on the thread that opened it."""

    def __init__(self, recipe: OrcaFlexRecipe, shared: _Shared, note: Callable[[Note], None]) -> None:
        self._loads, self._postprocesses = recipe.loads, recipe.postprocesses
        self._shared, self._note = shared, note
        self._session = Session(
            shared.binding, shared.broker, recipe.thread_count, shared.shells, reuse=recipe.reuse_models
        )
        self._warnings: tuple[str, ...] = ()
        self._joint_requests = 0
        self._is_fresh = True

    def load(self, task: Task) -> None:
        """Load the file into the session's model, unless the post-process opens it: then only look that it is there."""
        if not self._loads:
            check_readable(task.file)
            return
        model, self._joint_requests = self._loaded(task), 0
        self._is_fresh = True
        if self._shared.broker is not None:
            prefetch = _handed(task).prefetch
            self._shared.broker.begin(model, prefetch=prefetch, reserved_bytes=task.memory_bytes)
        self._warnings = simulation_warnings(model) if self._shared.binding.is_genuine else ()

    def extract(self, task: Task, batch: str, clock: PhaseClock) -> Extracted:
        """One batch's result; says notes about joint answers, also when the post-process fails."""
        if not self._is_as_loaded():
            clock.enter(Phase.LOAD)
            self.release(task)
            self.load(task)
            clock.enter(Phase.EXTRACT)
        self._is_fresh = False
        context = FileContext(
            task.file,
            batch,
            _handed(task).batches.get(batch),
            clock,
            lambda subject, content: self._note(Note(task.index, batch, subject, content)),
            self._shared.binding.kind,
        )
        extracted: Extracted | None = None
        try:
            extracted = self._postprocesses[batch](self._session.model, context)
        finally:
            asked = self._say_about_joint_answers(context, extracted)
        warnings = self._warnings + extracted.warnings
        return replace(extracted, warnings=warnings, counts={**extracted.counts, **asked})

    def _is_as_loaded(self) -> bool:
        """Whether a batch finds the model as its file has it: an earlier batch's code may have changed it.

        digitalmodel selects a current; a function may do anything. Only the broker hears of that.
        """
        if self._is_fresh or not self._loads:
            return True
        broker, model = self._shared.broker, self._session.model
        # No model: it could not be loaded again for the batch before.
        return broker is not None and model is not None and not broker.was_changed(model)

    def release(self, task: Task) -> None:
        """Forget the answers, clear the model."""
        if self._shared.broker is not None and self._session.model is not None:
            self._shared.broker.end(self._session.model, typical=not self._warnings)
        self._session.release()

    def close(self) -> None:
        """Destroy the model."""
        self._session.close()

    def _loaded(self, task: Task) -> Any:
        """The model, loaded from the copy where there is one that can be loaded.

        A copy lies alone: a restart's parent, for example, is not beside it. What fails then is said of the original.
        """
        if task.read_from is not None:
            try:
                return self._session.load(task.read_from)
            except Exception as error:  # noqa: BLE001 - foreign code; the original is asked next, and says it again
                _log.info("%s: its copy could not be loaded, so the file itself is: %s", task.file, error)
        return self._session.load(task.file)

    def _say_about_joint_answers(self, context: FileContext, extracted: Extracted | None) -> dict[str, int]:
        """Say what the job has to know; returns how many joint requests there were for this batch."""
        if self._shared.broker is None:
            return {}
        try:
            report = self._shared.broker.settle(self._session.model, finished=extracted is not None)
        except BaseException:
            if extracted is not None and extracted.later is not None:
                extracted.later.drop()  # the file fails: nothing of it may be left to be written
            raise
        if report.used_joint_answers:
            context.note(PREFETCHED, None)
        if report.mismatch:
            context.note(MISMATCH, report.mismatch)
        before, self._joint_requests = self._joint_requests, report.joint_requests
        return {JOINT_REQUESTS: report.joint_requests - before} if report.joint_requests > before else {}


def _handed(task: Task) -> TaskPayload:
    """What goes along with the task; a job whose files need nothing hands nothing along."""
    handed: TaskPayload | None = task.payload
    return handed or TaskPayload()
