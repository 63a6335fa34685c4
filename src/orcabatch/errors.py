"""The errors of orcabatch, all in one tree.

    OrcabatchError
    ├── SettingsError       the YAML or an argument is wrong: every fault at once, nothing was run
    ├── ArgumentError       an argument of a call is of a kind that cannot be taken: a TypeError as well
    ├── SourceError         what to run cannot be made out (no files, a mixture, not a YAML)
    ├── OutputError         the result folder cannot be used, or outputs would overwrite each other
    │   └── OutputUnreachable   its drive or share cannot be reached; may heal
    ├── OrcaFlexUnavailable no OrcFxAPI, no DLL, no licence
    ├── DigitalModelError   digitalmodel is missing, or lacks what is needed
    ├── BatchLocked         another batch writes to the same result folder
    ├── FileReleased        a model or an object of it was used, or returned, beyond its own file
    ├── BatchError          some files of a finished batch failed (only where it was asked to raise)
    └── BatchInterrupted    Ctrl-C; what was finished is written

The last two hand over what was computed: `error.result` is the batch's result, as far as it came.

Every message says what happened, to which file, and what to do. Every error survives pickling.
"""

from __future__ import annotations

from typing import Any


class OrcabatchError(Exception):
    """Base of all errors that orcabatch raises on purpose; its text is meant for the engineer."""


class SettingsError(OrcabatchError):
    """The YAML or an argument is wrong. Lists all faults at once."""


class ArgumentError(OrcabatchError, TypeError):
    """An argument is of a kind that cannot be taken, such as a function that cannot be called with a model."""


class SourceError(OrcabatchError):
    """What to run cannot be made out: no files match, a mixture of kinds, not a YAML."""


class OutputError(OrcabatchError):
    """The result folder cannot be used, or two files would overwrite each other's output."""


class OutputUnreachable(OutputError):  # noqa: N818 - a state, not a mistake
    """The drive or share of an output cannot be reached (any more): another try may find it again."""


class OrcaFlexUnavailable(OrcabatchError):  # noqa: N818 - named after the state that the engineer has to mend
    """OrcFxAPI cannot be used: not installed, without its DLL, or without a licence."""


class DigitalModelError(OrcabatchError):
    """digitalmodel is not installed, or lacks a function that is needed."""


class BatchLocked(OrcabatchError):  # noqa: N818 - a state, not a mistake
    """Another batch is writing to the same result folder."""


class FileReleased(OrcabatchError):  # noqa: N818 - a state, not a mistake
    """A model, or an object of one, was kept and used after its file was released, or was returned by a function.

    Whatever is done with it raises this; only `==`, `hash`, `repr` and `isinstance` still answer. It never answers for
    another file.

    Attributes:
        what: which model or object it was.
        file: the `.sim` file that it belonged to.
        where: the place in a returned value; empty where something kept was used.
    """

    def __init__(self, what: str, file: str, where: str = "") -> None:
        super().__init__(what, file, where)
        self.what, self.file, self.where = what, file, where

    def __str__(self) -> str:
        instead = "what was read from it (numbers, arrays, names), not models or their objects"
        if self.where:
            return f"{self.where} is {self.what} of {self.file}, which is gone with that file: return {instead}"
        return (
            f"{self.what} of {self.file} was used after that file was released; it is gone, and never answers for "
            f"another file: keep {instead}"
        )


class BatchError(OrcabatchError):
    """Some files of a finished batch failed, or common outputs could not be written; the others' results are.

    Attributes:
        result: the `BatchResult` with all outcomes and values; None once it was pickled.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),)


class BatchInterrupted(OrcabatchError):  # noqa: N818 - a state, not a mistake
    """The run was interrupted; the message says where what was finished is, and what the same call does again.

    Attributes:
        signum: the number of the signal that asked for it; 0 where it was not a signal.
        result: the `BatchResult` with the outcomes and values so far; None once it was pickled.
    """

    def __init__(self, message: str, signum: int = 0, result: Any = None) -> None:
        super().__init__(message)
        self.signum, self.result = signum, result

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.signum)
