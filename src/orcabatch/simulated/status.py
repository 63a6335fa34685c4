"""StatusCode codes of the DLL and the exception that carries one to the border of an export."""

from __future__ import annotations

from enum import IntEnum


class StatusCode(IntEnum):
    """Those the simulated DLL answers; numbers as in OrcFxAPI's StatusCode."""

    OK = 0
    MODEL_HANDLE = 3
    OBJECT_HANDLE = 4
    FILE_NOT_FOUND = 6
    FILE_READ_ERROR = 7
    TIME_HISTORY = 8
    NO_SUCH_NODE = 9
    INVALID_PERIOD = 12
    INVALID_VARIABLE = 13
    RANGE_GRAPH = 14
    INVALID_OBJECT_EXTRA = 15
    NOT_ENOUGH_VARIABLES = 16
    INVALID_HANDLE = 19
    UNEXPECTED = 20
    INVALID_INDEX = 21
    NO_SUCH_OBJECT = 23
    LICENSING = 25
    UNRECOGNISED_VARIABLE_NAME = 26
    INVALID_DATA_NAME = 31
    INVALID_DATA_TYPE = 32
    INVALID_VERSION = 34
    INVALID_MODEL_STATE = 39
    FUNCTION_NOT_AVAILABLE = 47
    INVALID_PARAMETER = 49
    RESULTS_NOT_LOGGED = 55
    INVALID_ARCLENGTH_RANGE = 58
    INVALID_FILE_FORMAT = 67
    THREAD_AFFINITY = 68


class Refusal(Exception):  # noqa: N818 - the DLL refuses; it does not fail
    """An export refuses: its status, and the text C_GetLastErrorStringW then gives."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status = int(status)
        self.text = text
