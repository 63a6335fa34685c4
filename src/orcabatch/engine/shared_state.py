"""What files on threads of one process share without knowing it: the working directory, and pyplot's current figure.

    worker thread ── SharedStateWatch.over(name): a file ──> Complaint, once a run for each of the two

Covers noticing that a file uses them while others may be in work. While a watch is open, the functions that change
them are replaced by ones that look who calls, so that a directory that was changed back, or a figure that was closed
again, is noticed too. What came by another way (`from os import chdir`, pyplot first imported by the file itself) is
seen in what is left when the file ends. Does not cover keeping files apart: only processes do.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from orcabatch.engine.worker_messages import Complaint, Post

DIRECTORY = (
    "The working directory changed while {} was being worked on. It is one for the whole process, so relative paths of "
    "other files may have gone astray. Use absolute paths, or `executor: processes`, where each process has its own"
)
PYPLOT = (
    "A figure was made with matplotlib.pyplot on the worker thread of {}. pyplot's current figure is one for the whole "
    "process, so what one file draws may land in another's figure. Make a matplotlib.figure.Figure, or use `executor: "
    "processes`"
)

_WIRES = (("os", "chdir", DIRECTORY), ("os", "fchdir", DIRECTORY), ("matplotlib.pyplot", "new_figure_manager", PYPLOT))
"""Module, function, and what it is a sign of. pyplot makes every figure with that function, however it was asked."""

_lock = threading.Lock()
_watched: dict[int, Callable[[str], None]] = {}
"""By thread: whom to tell that the file on it did something."""


class SharedStateWatch:
    """Watches the files of one run in this process.

    Args:
        post: takes the complaints.
    """

    def __init__(self, post: Post) -> None:
        self._post = post
        self._said: set[str] = set()
        self._open = True
        _trips.hold()

    @contextmanager
    def over(self, name: str) -> Iterator[None]:
        """The calling thread works on this file."""
        _trips.lay()
        _watched[threading.get_ident()] = functools.partial(self._tell, name)
        before = _Left.now()
        try:
            yield
        finally:
            _watched.pop(threading.get_ident(), None)
            for sign in before.signs(_Left.now()):
                self._tell(name, sign)

    def close(self) -> None:
        """The run is over; may be called again."""
        if self._open:
            self._open = False
            _trips.release()

    def _tell(self, name: str, sign: str) -> None:
        with _lock:
            is_new = sign not in self._said
            self._said.add(sign)
        if is_new:
            self._post(Complaint(sign.format(name), once=sign))


@dataclass(frozen=True, slots=True)
class _Left:
    """What can be seen afterwards.

    Attributes:
        directory: the working directory; None where it is gone.
        knows_pyplot: whether it is imported.
        drew: whether it has made a figure.
    """

    directory: str | None
    knows_pyplot: bool
    drew: bool

    @classmethod
    def now(cls) -> _Left:
        pyplot = _pyplot()
        try:
            directory = os.getcwd()  # noqa: PTH109 - asked twice for every file
        except OSError:
            directory = None
        # pyplot chooses what it draws with when it makes its first figure.
        drew = pyplot is not None and getattr(pyplot, "_backend_mod", None) is not None
        return cls(directory, pyplot is not None, drew)

    def signs(self, later: _Left) -> Iterator[str]:
        if later.directory != self.directory:
            yield DIRECTORY
        if later.drew and not self.knows_pyplot:
            yield PYPLOT


def _pyplot() -> Any:
    return sys.modules.get("matplotlib.pyplot")


class _Trips:
    """The functions that are replaced while anybody watches."""

    def __init__(self) -> None:
        self._watches = 0
        self._laid: dict[tuple[str, str], tuple[Any, Any]] = {}

    def hold(self) -> None:
        """One more watches."""
        with _lock:
            self._watches += 1
        self.lay()

    def lay(self) -> None:
        """Replace those of modules that are imported by now."""
        for module_name, name, sign in _WIRES:
            module = sys.modules.get(module_name)
            if (module_name, name) in self._laid or not hasattr(module, name):
                continue
            with _lock:
                if self._watches and (module_name, name) not in self._laid:
                    original = getattr(module, name)
                    looking = _looking(original, sign)
                    setattr(module, name, looking)
                    self._laid[module_name, name] = original, looking

    def release(self) -> None:
        """One watches no more; after the last one all is as it was, but for what somebody else has replaced again."""
        with _lock:
            self._watches -= 1
            if self._watches:
                return
            for (module_name, name), (original, looking) in self._laid.items():
                if getattr(sys.modules.get(module_name), name, None) is looking:
                    setattr(sys.modules[module_name], name, original)
            self._laid.clear()


_trips = _Trips()


def _looking(original: Callable[..., Any], sign: str) -> Callable[..., Any]:
    @functools.wraps(original)
    def looking(*args: Any, **kwargs: Any) -> Any:
        tell = _watched.get(threading.get_ident())
        if tell is not None:
            tell(sign)
        return original(*args, **kwargs)

    return looking
