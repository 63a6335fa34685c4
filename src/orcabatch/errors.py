"""The errors of orcabatch, all in one tree.

    OrcabatchError
    ├── SettingsError       the YAML or an argument is wrong: every fault at once, nothing was run
    ├── SourceError         what to run cannot be made out (no files, a mixture, not a YAML)
    ├── OutputError         the result folder cannot be used, or outputs would overwrite each other
    ├── OrcaFlexUnavailable no OrcFxAPI, no DLL, no licence
    ├── DigitalModelError   digitalmodel is missing, or lacks what is needed
    ├── BatchLocked         another batch writes to the same result folder
    ├── BatchError          some files of a finished batch failed (only where it was asked to raise)
    └── BatchInterrupted    Ctrl-C; what was finished is written

Every message says what happened, to which file, and what to do. Every error survives pickling.
"""

from __future__ import annotations


class OrcabatchError(Exception):
    """Base of all errors that orcabatch raises on purpose; its text is meant for the engineer."""


class SettingsError(OrcabatchError):
    """The YAML or an argument is wrong. Lists all faults at once."""


class SourceError(OrcabatchError):
    """What to run cannot be made out: no files match, a mixture of kinds, not a YAML."""


class OutputError(OrcabatchError):
    """The result folder cannot be used, or two files would overwrite each other's output."""


class OrcaFlexUnavailable(OrcabatchError):  # noqa: N818 - named after the state that the engineer has to mend
    """OrcFxAPI cannot be used: not installed, without its DLL, or without a licence."""


class DigitalModelError(OrcabatchError):
    """digitalmodel is not installed, or lacks a function that is needed."""


class BatchLocked(OrcabatchError):  # noqa: N818 - a state, not a mistake
    """Another batch is writing to the same result folder."""


class BatchError(OrcabatchError):
    """Some files of a finished batch failed; the others' results are written."""


class BatchInterrupted(OrcabatchError):  # noqa: N818 - a state, not a mistake
    """The run was interrupted; what was finished is written, the same call again does the rest.

    Attributes:
        signum: the number of the signal that asked for it; 0 where it was not a signal.
    """

    def __init__(self, message: str, signum: int = 0) -> None:
        super().__init__(message)
        self.signum = signum
