"""What is said of values that cannot be stored, and of bytes that are no stored value; types of what was read."""

from __future__ import annotations

from typing import Any

from orcabatch.text import class_name


class NotStorable(TypeError):  # noqa: N818 - says what the value is
    """The value has no exact safe form; the message names the type."""


class Damaged(ValueError):  # noqa: N818 - says what the bytes are
    """The bytes are not what was written."""


def checked(value: Any, *kinds: type) -> Any:
    """The value, where it is of one of these kinds: what was read may be anything that can be stored.

    Raises:
        Damaged: it is of another.
    """
    if not isinstance(value, kinds):
        raise Damaged(f"{class_name(type(value))} in the place of {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def checked_texts(values: Any) -> tuple[str, ...]:
    """The texts of a list.

    Raises:
        Damaged: it is no list, or holds something else.
    """
    return tuple(checked(item, str) for item in checked(values, list))
