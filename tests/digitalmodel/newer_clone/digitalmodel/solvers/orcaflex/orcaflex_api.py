"""Habit: the only gate to OrcFxAPI; it refuses when somebody imported OrcFxAPI before it was configured."""

import importlib
import sys

_record = None


def is_configured():
    return _record is not None


def configure(requested_version=None):
    global _record  # noqa: PLW0603 - as in the clone
    if "OrcFxAPI" in sys.modules:
        raise RuntimeError("OrcFxAPI was already imported, setLibPath() can no longer take effect")
    _record = {"requested": requested_version}
    try:
        importlib.import_module("OrcFxAPI")
    except Exception as error:  # noqa: BLE001 - recorded, not raised
        _record["import_error"] = str(error)


def api():
    if _record is None:
        configure()
    return importlib.import_module("OrcFxAPI")


class _LazyOrcFxAPI:
    def __getattr__(self, name):
        return getattr(api(), name)


def lazy_api():
    return _LazyOrcFxAPI()
