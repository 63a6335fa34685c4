"""What is said of values that cannot be stored, and of bytes that are no stored value."""

from __future__ import annotations


class NotStorable(TypeError):  # noqa: N818 - says what the value is
    """The value has no exact safe form; the message names the type."""


class Damaged(ValueError):  # noqa: N818 - says what the bytes are
    """The bytes are not what was written."""
