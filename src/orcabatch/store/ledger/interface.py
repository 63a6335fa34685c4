"""What goes into the ledger and comes out, and what a run asks of one; `NoLedger` is the one that is switched off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to be kept.

    Attributes:
        key: identifies everything that determines the payload.
        kind: `result`, `fact` or `conclusion`; `learned` and `hints` stay when the ledger makes room.
        file: the place of the `.sim` file it belongs to (`orcabatch.store.paths`); empty where it belongs to a batch.
        label: what was computed.
        payload: its bytes.
    """

    key: bytes
    kind: str
    file: str
    label: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class FileHistory:
    """One run of one file, for the history.

    Attributes:
        file, label: the file's place and what was computed.
        size_bytes: of the file.
        seconds: worker seconds.
        memory_factor: memory of the loaded file as a multiple of its size; None where it was not measured.
    """

    file: str
    label: str
    size_bytes: int
    seconds: float
    memory_factor: float | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What the history tells about a file.

    Attributes:
        seconds: worker seconds of its latest run.
        least_seconds: of its fastest.
        memory_factor: of its latest run that measured it.
        size_bytes: of the file then.
        runs: how often it ran.
    """

    seconds: float
    least_seconds: float
    memory_factor: float | None
    size_bytes: int
    runs: int


class LedgerStore(Protocol):
    """What a run asks of a ledger; `NoLedger` remembers nothing."""

    @property
    def remembers(self) -> bool:
        """Whether there is one."""

    def get(self, key: bytes) -> bytes | None:
        """What was kept under the key, as it was given; None where nothing was, or it is damaged."""

    def labels(self, file: str) -> frozenset[str]:
        """What was computed for the file at some time, whatever it depended on."""

    def latest(self, file: str, label: str) -> bytes | None:
        """The result that was kept last for the file, whatever it depended on; None where none was."""

    @property
    def most_bytes(self) -> int:
        """The largest payload that it keeps."""

    def put(self, entry: Entry) -> bool:
        """Keep it with the next commit; False where it is larger than `most_bytes`, and nothing is kept."""

    def forget(self, keys: Iterable[bytes]) -> None:
        """Do not answer these keys again."""

    def add_history(self, run: FileHistory) -> None:
        """Add a run to the history with the next commit."""

    def past(self, file: str, labels: Sequence[str]) -> Past | None:
        """What the history tells about the file, for the first of the labels that it knows."""

    def commit(self) -> None:
        """Write what waits, in one transaction."""

    def commit_soon(self) -> None:
        """Write what waits within a second: at once, or together with what comes in the next moments."""

    def close(self) -> None:
        """Write what waits, make room, let go of the file."""


class NoLedger:
    """The ledger that is switched off."""

    remembers = False
    most_bytes = 0

    def get(self, key: bytes) -> bytes | None:
        """Nothing."""
        return None

    def labels(self, file: str) -> frozenset[str]:
        """None."""
        return frozenset()

    def latest(self, file: str, label: str) -> bytes | None:
        """None."""
        return None

    def put(self, entry: Entry) -> bool:
        """Forget it; nobody need be told."""
        return True

    def forget(self, keys: Iterable[bytes]) -> None:
        """It is forgotten already."""

    def add_history(self, run: FileHistory) -> None:
        """Forget it."""

    def past(self, file: str, labels: Sequence[str]) -> Past | None:
        """Nothing."""
        return None

    def commit(self) -> None:
        """Nothing waits."""

    def commit_soon(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""
