"""How a function says that calling it twice for one file does no harm.

A function of a user's may have done things that count twice (a row appended, a file moved, a message sent) before it
raised, so a failure of it is final unless it says that it may be repeated. See also `orcabatch.orcaflex.work`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


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
