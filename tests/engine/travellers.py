"""Recipes and values that do not travel to worker processes, or not back."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from capabilities import die
from engine.fakes import FakeRecipe, Stubborn, Trap
from orcabatch.errors import OrcaFlexUnavailable


@dataclass(frozen=True)
class Maker:
    """Stands in a payload for a value that itself does not travel."""

    kind: str

    def make(self) -> Any:
        return MAKES[self.kind]()


@dataclass(frozen=True)
class Raises:
    """A value that raises what is no `Exception`: when it is packed, or when it is unpacked."""

    error: type[BaseException]
    when: str

    def __reduce__(self) -> Any:
        if self.when == "packed":
            raise self.error("of the value's own")
        return _raise, (self.error,)


def _raise(error: type[BaseException]) -> Any:
    raise error("of the value's own")


def _large_at_the_limit() -> bytes:
    """What leaves its process no memory to send it."""
    import resource

    value = bytes(100_000_000)
    limit = psutil.Process().memory_info().vms + 20_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return value


def _all_closed() -> str:
    os.closerange(3, 256)
    return "nobody will hear of it"


def _died_with_a_child(fork: Any) -> None:
    """The process is gone; what it forked lives on, and has all its descriptors."""
    if fork() == 0:
        threading.Event().wait(60)
        os._exit(0)
    die()


def _keep_the_lock() -> None:
    """A C function that does not return, and lets nobody else at Python's lock: no thread of ours gets a turn."""
    print("keeps the lock", os.getpid(), file=sys.stderr, flush=True)
    ctypes.PyDLL(None).sleep(600)


def _stop() -> None:
    """The whole process, which takes a moment: its file must not end in that."""
    os.kill(os.getpid(), signal.SIGSTOP)
    threading.Event().wait()


def _unwound_in_a_child() -> str:
    """A child that was forked leaves the function as its parent does, by `sys.exit`."""
    child = os.fork()
    if child == 0:
        sys.exit(0)
    os.waitpid(child, 0)
    return "told by the parent"


MAKES: dict[str, Any] = {
    "Stubborn": Stubborn,
    "Trap": Trap,
    "packing exits": lambda: Raises(SystemExit, "packed"),
    "packing interrupts": lambda: Raises(KeyboardInterrupt, "packed"),
    "packing ends": lambda: Raises(GeneratorExit, "packed"),
    "packing has no memory": lambda: Raises(MemoryError, "packed"),
    "unpacking exits": lambda: Raises(SystemExit, "unpacked"),
    "unpacking interrupts": lambda: Raises(KeyboardInterrupt, "unpacked"),
    "unpacking ends": lambda: Raises(GeneratorExit, "unpacked"),
    "at the limit": _large_at_the_limit,
    "closed": _all_closed,
    "forked": lambda: _died_with_a_child(os.fork),
    "forked in C": lambda: _died_with_a_child(ctypes.CDLL(None).fork),
    "unwound in a child": _unwound_in_a_child,
    "command line": lambda: sys.argv,
    "lock held": _keep_the_lock,
    "stopped": _stop,
}


@dataclass(frozen=True)
class MakingRecipe(FakeRecipe):
    """Its workers return what the payload's `Maker` makes."""

    def open_worker(self, note: Any) -> Any:
        worker = super().open_worker(note)
        extract = worker.extract

        def made(task: Any, batch: str, clock: Any) -> Any:
            extracted = extract(task, batch, clock)
            value = extracted.value
            return type(extracted)(value.make() if isinstance(value, Maker) else value)

        worker.extract = made  # type: ignore[method-assign]
        return worker


@dataclass(frozen=True)
class ElsewhereRecipe(FakeRecipe):
    """The process that comes first to a place has another OrcaFlex: no worker can be made in it."""

    place: str = ""

    def open_worker(self, note: Any) -> Any:
        with suppress(FileExistsError), Path(self.place).open("x", encoding="utf-8") as stream:
            stream.write(f"{os.getpid()} ")
        if Path(self.place).read_text(encoding="utf-8") == f"{os.getpid()} ":
            raise OrcaFlexUnavailable("OrcaFlex's DLL has another version")
        return super().open_worker(note)


@dataclass(frozen=True)
class LocalRecipe(FakeRecipe):
    """Holds a function."""

    function: Any = field(default=None, kw_only=False)

    def __init__(self, function: Any) -> None:
        object.__setattr__(self, "book", None)
        object.__setattr__(self, "function", function)


class Unwelcome(FakeRecipe):
    """Can be packed, and fails to be unpacked."""

    def __reduce__(self) -> Any:
        return (int, ("not a number",))


RAISING = tuple(kind for kind in MAKES if "packing" in kind)
"""Results that raise what is no `Exception`, or have no memory."""


@dataclass(frozen=True)
class BadStart(FakeRecipe):
    """Writes down that it was unpacked, and does what a bad import does, as often as is said."""

    log: str = ""
    kind: str = ""
    times: int = 1_000_000

    def __reduce__(self) -> Any:
        return _unpacked, (self.log, self.kind, self.times)


def _unpacked(log: str, kind: str, times: int) -> FakeRecipe:
    with Path(log).open("a", encoding="utf-8") as lines:
        lines.write(f"{os.getpid()}\n")
    if len(Path(log).read_text("utf-8").split()) <= times:
        match kind:
            case "killed":
                die()
            case "hangs":
                threading.Event().wait(120)
            case "stops":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "exits":
                sys.exit("by an import")
            case _:
                raise AssertionError(kind)
    return FakeRecipe()
