"""Words that several rooms put into their messages in the same way. Pure, and below all rooms."""

from __future__ import annotations

from collections.abc import Sequence


def shortened_list(names: Sequence[str], between: str = ", ", most: int = 3) -> str:
    """The first names, and how many more."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more
