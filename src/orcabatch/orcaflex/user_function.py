"""A user's function as a post-process: how it is called, what its value is looked through for, what is repeated.

A function may have done things that count twice (a row appended, a file moved, a message sent) before it raised, so a
failure of it is final unless it says that it may be repeated (`repeatable`). What it returns must be finished and its
own; a value that is not a finite number, or a `.sim` file that changed meanwhile, becomes a warning and stays (R32).
What workers do around it: `orcabatch.orcaflex.work`.
"""

from __future__ import annotations

import functools
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from orcabatch.engine.contract import Extracted
from orcabatch.engine.foreign import ordinarily, own_copy
from orcabatch.errors import ArgumentError, FileReleased
from orcabatch.orcaflex import failures
from orcabatch.orcaflex.binding import BindingKind
from orcabatch.orcaflex.incomplete import non_finite, non_finite_warning
from orcabatch.orcaflex.returned import held, is_model
from orcabatch.orcaflex.sim_files import stands, stands_as
from orcabatch.text import class_home, class_name

if TYPE_CHECKING:
    from orcabatch.orcaflex.work import FileContext

CHANGED_INPUT = "changed_input"
"""Subject of the note that a file was changed while a function of the user's had it."""
ANOTHER_FUNCTION = "another_function"
"""Subject of the note that a worker process has a function other than the caller has it; the content names what is."""
CHANGES_ITS_INPUT = (
    "the function changed, moved or removed the .sim file that it was called for (or another program did, meanwhile). "
    "Results of this file are not kept, so every run computes them anew, from what it finds then. Save the model under "
    "another name."
)


class Likeness(Protocol):
    """Sent along with a function: knows it as it is where it comes from (`orcabatch.store.as_here.AsHere`)."""

    def differing(self) -> tuple[str, ...]:
        """What is not so in this process, by name."""


@dataclass(frozen=True, slots=True)
class FunctionPostProcess:
    """A user's function as a post-process.

    It is called as `f(model)`, or as `f(model, sim_file)` when two of its positional arguments have no default;
    `sim_file` is the file's absolute `pathlib.Path`. With `path_as` it is called as `f(path)`, and opens the file.
    What it returns must not hold objects of the model: they die with the file.

    Attributes:
        function: importable (not a lambda or a local function) where workers are processes.
        cases: load cases by file name. Where there are any, a function with a keyword parameter `case` gets a copy of
            its file's, a mapping; an empty one where the file has none.
        as_here: tells in worker processes whether they have the function as the caller has it; None: nobody asks.
        path_as: what the function opens the file by, `str` or `pathlib.Path`; None: it gets the loaded model.

    Raises:
        TypeError: it cannot be called with one or two positional arguments.
    """

    function: Callable[..., Any]
    cases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    as_here: Likeness | None = field(default=None, compare=False)
    path_as: type[str] | type[Path] | None = None
    _required: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ArgumentError(f"postprocess must be a function f(model) or f(model, sim_file), got {self.function!r}")
        if not _takes_an_argument(self.function):
            raise ArgumentError(
                f"postprocess {_name(self.function)} takes no positional argument; it is called with the loaded model: "
                "define it as f(model) or f(model, sim_file)"
            )
        # Once, not for each file: asking Python takes as long as a small function.
        object.__setattr__(self, "_required", frozenset(_required_arguments(self.function)))
        if self.path_as is None and (parameter := _takes_a_path(self.function)):
            raise ArgumentError(
                f"postprocess {_name(self.function)} takes a path ({parameter}), but would be given the loaded model. "
                "Define it as f(model), or set `loads: false` (performance): then it gets the path, and opens the file"
            )
        if self.path_as is not None and self._positional > 1:
            raise ArgumentError(
                f"postprocess {_name(self.function)} requires {self._positional} positional arguments; with `loads: "
                "false` it is called with the path: give the others defaults, or use functools.partial"
            )
        if (count := self._positional) > 2:
            raise ArgumentError(
                f"postprocess {_name(self.function)} requires {count} positional arguments; it is called with the "
                "model, or with the model and the .sim file: give the others defaults, or use functools.partial"
            )

    @property
    def mistakes_its_path(self) -> bool:
        """Whether it seems to want a load case, and gets the path: without load cases that is the second argument."""
        return not self.cases and self._positional > 1 and "case" in self._required

    def prepare(self) -> None:
        """Nothing to prepare."""

    def __call__(self, model: Any, context: FileContext) -> Extracted:
        """The function's value, with a warning where it is not finite."""
        given = model if self.path_as is None else self.path_as(context.file)
        arguments = (given, context.file) if self._positional == 2 else (given,)
        case = self.case_of(context.file)
        if self.as_here is not None and (differing := self.as_here.differing()):
            context.note(ANOTHER_FUNCTION, differing)
        before = stands(context.file)
        with _children_end_here():
            value = self._called(arguments, case, context.file)
        self._refuse_what_is_gone(value, context.session_kind, context.file)
        changed = not stands_as(context.file, before)
        if changed:
            context.note(CHANGED_INPUT, None)
        warnings = (_not_finite(value), CHANGES_ITS_INPUT if changed else "")
        return Extracted(value, tuple(filter(None, warnings)))

    def _called(self, arguments: tuple[Any, ...], case: dict[str, Any] | None, file: Path) -> Any:
        """The function's value; a column that is missed because the file has no load case is told from other keys."""
        if case is None:
            return self.function(*arguments)
        try:
            return self.function(*arguments, case=case)
        except KeyError as error:
            missed = error.args[0] if len(error.args) == 1 else None
            if type(missed) is not str or file.name in self.cases or failures.is_of_a_model(error):
                raise
            if any(missed in other for other in self.cases.values()):
                raise failures.NoLoadCaseError(missed) from error
            raise

    @property
    def _positional(self) -> int:
        """How many positional arguments it requires, besides its load case."""
        return len(self._required - {"case"}) if self.cases else len(self._required)

    def case_of(self, file: Path) -> dict[str, Any] | None:
        """What the function gets as `case`; None where it does not ask, or the batch has no load cases.

        Its own, to the last list: what one call changes is seen by no other, nor by the table or a result's key.
        """
        if not self.cases or not _asks_for(self.function, "case"):
            return None
        return own_copy(self.cases.get(file.name, {}))

    def may_repeat(self, error: BaseException) -> bool:
        """Only errors of OrcaFlex, and only where the function says so: what it did before might count twice."""
        return failures.status_of(error) is not None and is_repeatable(self.function)

    def _refuse_what_is_gone(self, value: Any, kind: BindingKind, file: Path) -> None:
        name = _name(self.function)
        if inspect.isgenerator(value) or inspect.iscoroutine(value) or inspect.isasyncgen(value):
            if not inspect.isasyncgen(value):  # one that never ran has nothing to close
                value.close()
            raise TypeError(
                f"{name} returned a {class_name(type(value))}, which runs when it is asked, and by then the file is "
                "released: return a list or another finished value (no `yield`, no `async`)"
            )
        if kind is BindingKind.FOREIGN:
            return
        found = held(value)
        if found is not None:
            place, kept = found
            whole = (
                "the value" if not place else f"the value's {place}" if place.startswith(".") else f"the value{place}"
            )
            raise FileReleased(_described(kept), str(file), f"{whole} that {name} returned")


F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def _children_end_here() -> Iterator[None]:
    """A process that the function forked ends with the function, as `sys.exit` in it would have it end a plain loop's.

    It has a copy of the whole run: left alone it would go on with the batch beside its parent, in the same folder.
    """
    here, code = os.getpid(), 0
    try:
        yield
    except BaseException as error:
        if os.getpid() == here:
            raise
        code = _exit_code(error)
    finally:
        if os.getpid() != here:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):
                    stream.flush()
            os._exit(code)


def _exit_code(error: BaseException) -> int:
    """What Python would have ended with."""
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        return error.code or 0
    traceback.print_exception(error)
    return 1


def repeatable(function: F) -> F:
    """Say of a post-process function that it may be called again for the same file; a decorator.

    Errors of OrcaFlex that may heal (a licence that was lost, a network drive) are then tried again inside the
    function too, `retries` times. What the function's own Python code raises is final all the same.

        @orcabatch.repeatable
        def largest_tension(model): ...

    It sets the attribute `repeatable`; an object with `__call__` may have that attribute itself.
    """
    function.repeatable = True  # type: ignore[attr-defined]
    return function


def is_repeatable(function: Any) -> bool:
    """Whether the function, or the one inside `functools.partial`, says so; a MagicMock's attributes say nothing."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "repeatable", False) is True


def _takes_an_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind_partial(None)
    except TypeError:
        return False
    except ValueError:
        return True  # a builtin that does not say
    return True


def _takes_a_path(function: Callable[..., Any]) -> str:
    """The first parameter with its annotation, where that says that it is a path; else empty."""
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):
        return ""  # a builtin that does not say
    said = "" if first is None else getattr(first.annotation, "__name__", str(first.annotation)).rpartition(".")[2]
    return f"{first.name}: {said}" if first is not None and said in {"str", "Path", "PathLike"} else ""


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
    kind = getattr(getattr(kept, "type", None), "name", class_name(type(kept)))
    return f"an object ({kind})"


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", class_name(type(function))))


def _not_finite(value: Any) -> str:
    try:
        return ordinarily(lambda: non_finite_warning(non_finite(_named(value))))
    except Exception:  # noqa: BLE001 - as where it is looked through: a plain loop would not have looked at all
        return ""


def _named(value: Any) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items() if _is_numeric(item)}
    return {"value": value} if _is_numeric(value) else {}


def _is_numeric(value: Any) -> bool:
    return isinstance(value, float) or class_home(type(value)) == "numpy"
