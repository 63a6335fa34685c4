"""The engine's `Recipe` and `Worker` over OrcaFlex sessions: load a file once, compute each batch's result from it.

    OrcaFlexRecipe ── open_worker (per thread) ──> OrcaFlexWorker ── Session ── model
         └─ per process: OrcFxAPI looked up once, the broker shared by all sessions

What is computed is the `PostProcess`'s affair: a user's function (`FunctionPostProcess`) or digitalmodel's code
(`orcabatch.digitalmodel`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orcabatch.engine.contract import Extracted, Note, PhaseClock, Task
from orcabatch.errors import FileReleased, OrcaFlexUnavailable
from orcabatch.orcaflex import failures
from orcabatch.orcaflex.binding import Binding, Kind, Wanted, find_binding
from orcabatch.orcaflex.broker import BrokerOptions, Question, ResultBroker
from orcabatch.orcaflex.files import stands
from orcabatch.orcaflex.incomplete import non_finite, non_finite_warning, simulation_warnings
from orcabatch.orcaflex.owners import Shells
from orcabatch.orcaflex.repeatable import is_repeatable
from orcabatch.orcaflex.returned import held, is_model
from orcabatch.orcaflex.session import Session
from orcabatch.outcome import Phase

if TYPE_CHECKING:
    from orcabatch.outcome import Failure

_log = logging.getLogger(__name__)

PREFETCHED = "prefetched"
"""Subject of the note that a file's results used joint answers."""
MISMATCH = "prefetch_mismatch"
"""Subject of the note that a joint answer differed from the single one; the content names the variable."""
JOINT_REQUESTS = "joint_requests"
"""Name of the count of requests for several results at once (see `Usage.counts`)."""

CHANGED_INPUT = "changed_input"
"""Subject of the note that a file was changed while a function of the user's had it."""
CHANGES_ITS_INPUT = (
    "the function changed, moved or removed the .sim file that it was called for (or another program did, meanwhile). "
    "Results of this file are not kept, so every run computes them anew, from what it finds then. Save the model under "
    "another name."
)

Noting = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True)
class Visit:
    """A batch's visit to a loaded file.

    Attributes:
        file: the `.sim` file, absolute.
        batch: the batch's name.
        payload: what the batch's job handed along for this file.
        clock: to be told when the visit begins to write.
        note: says something to the job: subject, picklable content.
        session_kind: what stands behind OrcFxAPI.
    """

    file: Path
    batch: str
    payload: Any
    clock: PhaseClock
    note: Noting
    session_kind: Kind


class PostProcess(Protocol):
    """What is computed from a loaded file. Picklable where workers are processes.

    One that knows beforehand which time histories it will ask for in every file has a third method, `questions`,
    without arguments, that returns them (an iterable of `orcabatch.orcaflex.broker.Question`): then the first file is
    asked jointly already. It is called once per process, after `prepare`.
    """

    def prepare(self) -> None:
        """Called once per process, before OrcFxAPI is looked up."""

    def __call__(self, model: Any, visit: Visit) -> Extracted:
        """The batch's result; may raise anything."""

    def may_repeat(self, error: BaseException) -> bool:
        """Whether computing again does no harm after this error, which may heal."""


@dataclass(frozen=True, slots=True)
class FunctionPostProcess:
    """A user's function as a post-process.

    It is called as `f(model)`, or as `f(model, sim_file)` when two of its positional arguments have no default;
    `sim_file` is the file's absolute `pathlib.Path`. What it returns must not hold objects of the model: they die with
    the file.

    Attributes:
        function: importable (not a lambda or a local function) where workers are processes.
        cases: load cases by file name. Where there are any, a function with a keyword parameter `case` gets its file's,
            a mapping; an empty one where the file has none.

    Raises:
        TypeError: it cannot be called with one or two positional arguments.
    """

    function: Callable[..., Any]
    cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"postprocess must be a function f(model) or f(model, sim_file), got {self.function!r}")
        if not _takes_an_argument(self.function):
            raise TypeError(
                f"postprocess {_name(self.function)} takes no positional argument; it is called with the loaded model: "
                "define it as f(model) or f(model, sim_file)"
            )
        if (count := self._positional) > 2:
            raise TypeError(
                f"postprocess {_name(self.function)} requires {count} positional arguments; it is called with the "
                "model, or with the model and the .sim file: give the others defaults, or use functools.partial"
            )

    def prepare(self) -> None:
        """Nothing to prepare."""

    def __call__(self, model: Any, visit: Visit) -> Extracted:
        """The function's value, with a warning where it is not finite."""
        arguments = (model, visit.file) if self._positional == 2 else (model,)
        case = self.case_of(visit.file)
        before = stands(visit.file)
        value = self.function(*arguments) if case is None else self.function(*arguments, case=case)
        self._refuse_what_is_gone(value, visit.session_kind, visit.file)
        changed = before != stands(visit.file)
        if changed:
            visit.note(CHANGED_INPUT, None)
        warnings = (non_finite_warning(non_finite(_named(value))), CHANGES_ITS_INPUT if changed else "")
        return Extracted(value, tuple(filter(None, warnings)))

    @property
    def _positional(self) -> int:
        """How many positional arguments it requires, besides its load case."""
        required = _required_arguments(self.function)
        return len(required - {"case"}) if self.cases else len(required)

    def case_of(self, file: Path) -> dict[str, Any] | None:
        """What the function gets as `case`; None where it does not ask, or the batch has no load cases."""
        if not self.cases or not _asks_for(self.function, "case"):
            return None
        return dict(self.cases.get(file.name, {}))

    def may_repeat(self, error: BaseException) -> bool:
        """Only errors of OrcaFlex, and only where the function says so: what it did before might count twice."""
        return failures.status_of(error) is not None and is_repeatable(self.function)

    def _refuse_what_is_gone(self, value: Any, kind: Kind, file: Path) -> None:
        name = _name(self.function)
        if inspect.isgenerator(value) or inspect.iscoroutine(value) or inspect.isasyncgen(value):
            if not inspect.isasyncgen(value):  # one that never ran has nothing to close
                value.close()
            raise TypeError(
                f"{name} returned a {type(value).__name__}, which runs when it is asked, and by then the file is "
                "released: return a list or another finished value (no `yield`, no `async`)"
            )
        if kind is Kind.FOREIGN:
            return
        found = held(value)
        if found is not None:
            place, kept = found
            whole = (
                "the value" if not place else f"the value's {place}" if place.startswith(".") else f"the value{place}"
            )
            raise FileReleased(_described(kept), str(file), f"{whole} that {name} returned")


@dataclass(frozen=True)
class OrcaFlexRecipe:
    """How workers over OrcaFlex come to be, in this process or another.

    Attributes:
        postprocesses: what each batch computes, by the batch's name.
        orcaflex: "real" takes the OrcFxAPI that is there, "simulated" puts the simulated DLL under it.
        broker: None as well as `enabled=False`: OrcFxAPI is asked as the code asks.
        questions: time histories known to be asked for in every file.
        thread_count: native threads of each model.
    """

    postprocesses: Mapping[str, PostProcess]
    orcaflex: Wanted = "real"
    broker: BrokerOptions | None = field(default_factory=BrokerOptions)
    questions: tuple[Question, ...] = ()
    thread_count: int = 1
    token: str = field(default_factory=lambda: uuid.uuid4().hex, repr=False)

    def open_worker(self, note: Callable[[Note], None]) -> OrcaFlexWorker:
        """A new worker for the calling thread.

        Raises:
            OrcaFlexUnavailable: OrcFxAPI cannot be imported.
        """
        return OrcaFlexWorker(self.postprocesses, self._shared(), note, self.thread_count)

    def explain(self, error: BaseException, task: Task, phase: Phase) -> Failure:
        """What an exception of a worker means for the engineer; `task.batches` are those it concerns."""
        failure = failures.explain(error, task.file, phase)
        if task.read_from is not None:
            failure = failures.of_original(failure, task.read_from, task.file)
        if phase is Phase.LOAD or all(self.postprocesses[batch].may_repeat(error) for batch in task.batches):
            return failure
        return failures.final(failure, error)

    def __getstate__(self) -> dict[str, Any]:
        # First the simulated DLL: the module of a user's function may import OrcFxAPI, which is not there without.
        first = {"_dll": _SimulatedDll()} if self.orcaflex == "simulated" else {}
        return first | {name: value for name, value in self.__dict__.items() if name != "_held"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.pop("_dll", None)
        self.__dict__.update(state)

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
        for postprocess in recipe.postprocesses.values():
            postprocess.prepare()
        options = recipe.broker
        if options is None or not options.enabled or not binding.is_genuine:
            return cls(binding, None)
        return cls(binding, ResultBroker(binding.module, options, tuple(_foreseen(recipe))))


def _foreseen(recipe: OrcaFlexRecipe) -> Iterator[Question]:
    yield from recipe.questions
    for postprocess in recipe.postprocesses.values():
        questions = getattr(postprocess, "questions", None)
        if questions is not None:
            yield from questions()


_SHARED: weakref.WeakValueDictionary[str, _Shared] = weakref.WeakValueDictionary()
_SHARING = threading.Lock()


class OrcaFlexWorker:
    """The engine's `Worker`: one session, on the thread that opened it."""

    def __init__(
        self,
        postprocesses: Mapping[str, PostProcess],
        shared: _Shared,
        note: Callable[[Note], None],
        thread_count: int = 1,
    ) -> None:
        self._postprocesses, self._shared, self._note = postprocesses, shared, note
        self._session = Session(shared.binding, shared.broker, thread_count, shared.shells)
        self._warnings: tuple[str, ...] = ()
        self._joint_requests = 0

    def load(self, task: Task) -> None:
        """Load the file into the session's model."""
        model, self._joint_requests = self._loaded(task), 0
        if self._shared.broker is not None:
            prefetch = _may_prefetch(task.payload)
            self._shared.broker.begin(model, prefetch=prefetch, reserved_bytes=task.memory_bytes)
        self._warnings = simulation_warnings(model) if self._shared.binding.is_genuine else ()

    def extract(self, task: Task, batch: str, clock: PhaseClock) -> Extracted:
        """One batch's result; says notes about joint answers, also when the post-process fails."""
        visit = Visit(
            task.file,
            batch,
            _payload(task.payload, batch),
            clock,
            lambda subject, content: self._note(Note(task.index, batch, subject, content)),
            self._shared.binding.kind,
        )
        finished = False
        try:
            extracted = self._postprocesses[batch](self._session.model, visit)
            finished = True
        finally:
            asked = self._say_about_joint_answers(visit, finished)
        return Extracted(extracted.value, self._warnings + extracted.warnings, {**extracted.counts, **asked})

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

    def _say_about_joint_answers(self, visit: Visit, finished: bool) -> dict[str, int]:
        """Say what the job has to know; returns how many joint requests there were for this visit."""
        if self._shared.broker is None:
            return {}
        report = self._shared.broker.settle(self._session.model, finished=finished)
        if report.used_joint_answers:
            visit.note(PREFETCHED, None)
        if report.mismatch:
            visit.note(MISMATCH, report.mismatch)
        before, self._joint_requests = self._joint_requests, report.joint_requests
        return {JOINT_REQUESTS: report.joint_requests - before} if report.joint_requests > before else {}


def _payload(payload: Any, batch: str) -> Any:
    # The job of several batches hands along {"batches": {name: payload}, "prefetch": bool}.
    if isinstance(payload, Mapping) and payload.keys() == {"batches", "prefetch"}:
        return payload["batches"].get(batch)
    return payload


def _may_prefetch(payload: Any) -> bool:
    if isinstance(payload, Mapping) and payload.keys() == {"batches", "prefetch"}:
        return bool(payload["prefetch"])
    return True


def _takes_an_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind_partial(None)
    except TypeError:
        return False
    except ValueError:
        return True  # a builtin that does not say
    return True


def _required_arguments(function: Callable[..., Any]) -> set[str]:
    """The names of its positional arguments without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"model"}  # a builtin that does not say
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {item.name for item in parameters if item.kind in positional and item.default is inspect.Parameter.empty}


def _asks_for(function: Callable[..., Any], name: str) -> bool:
    """Whether it has a parameter of this name that can be given by keyword, and that nobody bound before."""
    if isinstance(function, functools.partial) and name in function.keywords:
        return False
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):
        return False  # a builtin that does not say
    return parameter is not None and parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}


def _described(kept: Any) -> str:
    if is_model(kept):
        return "the model"
    kind = getattr(getattr(kept, "type", None), "name", type(kept).__name__)
    return f"an object ({kind})"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _named(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items() if _is_numeric(item)}
    return {"value": value} if _is_numeric(value) else {}


def _is_numeric(value: Any) -> bool:
    return isinstance(value, float) or type(value).__module__ == "numpy"
