"""What Windows wants said in its own way: a console that is to draw by escape codes."""

from __future__ import annotations

import io

import pytest

from orcabatch.win32 import switched_to_escape_codes, takes_escape_codes


class Consoles:
    """Windows' kernel32 with a console of a mode, or none (a pipe); one of before Windows 10 takes no other mode."""

    def __init__(self, mode: int | None, *, is_old: bool = False) -> None:
        self.mode, self.is_old = mode, is_old

    def GetConsoleMode(self, _: object, mode: object) -> int:  # noqa: N802 - Windows' name
        if self.mode is None:
            return 0
        mode._obj.value = self.mode  # type: ignore[attr-defined]
        return 1

    def SetConsoleMode(self, _: object, mode: int) -> int:  # noqa: N802 - Windows' name
        if self.is_old:
            return 0
        self.mode = mode
        return 1


@pytest.mark.parametrize(
    ("consoles", "is_taken", "mode"),
    [
        (Consoles(0x3), True, 0x7),
        (Consoles(0x7), True, 0x7),
        (Consoles(0x3, is_old=True), False, 0x3),
        (Consoles(None), True, None),
    ],
)
def test_a_console_of_windows_is_switched_to_escape_codes(consoles: Consoles, is_taken: bool, mode: int | None) -> None:
    """The classic one begins without: a bar would be written there as text, twice a second."""
    assert switched_to_escape_codes(consoles, 7) is is_taken
    assert consoles.mode == mode


def test_elsewhere_nothing_is_switched() -> None:
    """A terminal takes them, and what is none asks nobody."""
    assert takes_escape_codes(io.StringIO())
