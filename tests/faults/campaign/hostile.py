"""The campaign's post-process: a tension of the model, and what it is told to do with one of the files.

What is to be done stands in a file that the driver writes and removes again, so that the function is the same in the
run that follows. Every call is noted, in one write each, in a file that no fault touches.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

FOLDER = "ORCABATCH_CAMPAIGN"
"""The variable that names the folder of notes and orders."""
LONG_S = 600.0


class StrangeError(BaseException):
    """Of no family."""


def exception(name: str) -> BaseException:
    """One by its name."""
    if name == "CancelledError":
        return asyncio.CancelledError()
    if name == "StrangeError":
        return StrangeError("strange")
    return getattr(__import__("builtins"), name)("on purpose")  # type: ignore[no-any-return]


def note(what: str, name: str = "") -> None:
    """One line, whole or not at all."""
    place = os.open(Path(os.environ[FOLDER]) / "calls", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(place, json.dumps([what, name, os.getpid()]).encode() + b"\n")
    finally:
        os.close(place)


def orders() -> dict[str, Any]:
    """What is to be done, by file name; `import`: when this module is imported elsewhere."""
    try:
        text = (Path(os.environ[FOLDER]) / "orders.json").read_text()
    except (OSError, KeyError):
        return {}
    return dict(json.loads(text))


class Value(dict):  # type: ignore[type-arg]
    """A result that raises when it is packed, or when it is unpacked."""

    raises = ""
    where = ""

    def __reduce__(self) -> Any:
        if self.where == "packing":
            raise exception(self.raises)
        return unpacked, (self.raises,)


def unpacked(raises: str) -> Any:
    """As the other side makes it."""
    raise exception(raises)


def tension(model: Any, sim_file: Path) -> dict[str, Any]:
    """A small dictionary per file."""
    import OrcFxAPI

    note("begin", sim_file.name)
    order = orders().get(sim_file.name, {})
    if order and not order["late"]:
        obey(order, {})
    history = model["Line01"].TimeHistory("Effective tension", OrcFxAPI.pnWholeSimulation, OrcFxAPI.oeEndA)
    value: Any = {"tension": float(history.max()), "mean": float(history.mean())}
    if order and order["late"]:
        value = obey(order, value)
    elif order and order["kind"] in VALUES:
        value = VALUES[order["kind"]](order["detail"], value)
    note("end", sim_file.name)
    return value  # type: ignore[no-any-return]


def obey(order: dict[str, Any], value: dict[str, Any]) -> Any:
    """Do what is to be done with this file."""
    kind, detail = order["kind"], order["detail"]
    if kind in VALUES:
        return VALUES[kind](detail, value)
    ACTS[kind](detail)
    return value


def _raises(detail: str) -> None:
    raise exception(detail)


def _half_a_letter(_: str) -> None:
    raise ValueError("cannot read caf\udce9.csv")


def _sleeper() -> int:
    """A process that keeps whatever is open."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with contextlib.suppress(BaseException):
            time.sleep(LONG_S)
        os._exit(0)
    note("forked", str(child))
    return child


def _kill_grandchild(_: str) -> None:
    child = _sleeper()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _fork_and_die(_: str) -> None:
    _sleeper()
    os.kill(os.getpid(), signal.SIGKILL)


def _leave_thread(detail: str) -> None:
    for_good = detail == "daemon"
    threading.Thread(target=time.sleep, args=(LONG_S if for_good else 0.3,), name="left", daemon=for_good).start()


def _no_folder(_: str) -> None:
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)  # noqa: PTH106


def _recursion(detail: str) -> None:
    _recursion(detail)


def _hang(_: str) -> None:
    time.sleep(LONG_S)


def _write(_: str) -> None:
    os.write(1, b"noise\n" * 20_000)
    print("more noise" * 1000)


def _value(where: str, detail: str, value: dict[str, Any]) -> Value:
    made = Value(value)
    made.raises, made.where = detail, where
    return made


def _oversized(detail: str, value: dict[str, Any]) -> dict[str, Any]:
    return value | {"ballast": os.urandom(1024) * (1024 * int(detail))}


def _short(detail: str, value: dict[str, Any]) -> dict[str, Any]:
    import psutil

    made = _oversized(detail, value)
    limit = psutil.Process().memory_info().vms + 16_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    return made


def _deep(_: str, value: dict[str, Any]) -> dict[str, Any]:
    deep: Any = value
    for _ in range(100_000):
        deep = [deep]
    return {"deep": deep}


VALUES = {
    "packing-raises": lambda detail, value: _value("packing", detail, value),
    "unpacking-raises": lambda detail, value: _value("unpacking", detail, value),
    "unpackable": lambda _, value: value | {"lock": threading.Lock(), "call": lambda: 0},
    "oversized": _oversized,
    "oversized-where-memory-is-short": _short,
    "deep-value": _deep,
}
ACTS = {
    "raises": _raises,
    "exits": lambda _: os._exit(3),
    "kills-itself": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "kill-grandchild": _kill_grandchild,
    "forks-and-keeps-pipes": lambda _: _sleeper(),
    "forks-keeps-pipes-and-dies": _fork_and_die,
    "leaves-thread": _leave_thread,
    "hangs": _hang,
    "closes-descriptors": lambda _: os.closerange(3, 64),
    "closes-standard-streams": lambda _: os.closerange(0, 3),
    "writes-to-standard-output": _write,
    "leaves-no-working-folder": _no_folder,
    "recursion": _recursion,
    "raises-half-a-letter": _half_a_letter,
}


def _imported() -> None:
    order = orders().get("import")
    if not order or os.environ.get("ORCABATCH_CAMPAIGN_PARENT") == str(os.getpid()):
        return
    note("imported", order["kind"])
    if order["kind"] == "hanging-import":
        time.sleep(LONG_S)
    if order["kind"] == "dying-import":
        os._exit(5)
    raise exception(order["detail"])


_imported()
assert sys.platform != "win32"
