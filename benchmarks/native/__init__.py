"""A small native DLL under the real OrcFxAPI package, where there is a C compiler; `small.c` says what it does.

For benchmarks alone: nothing else needs it. What simulates OrcaFlex is `orcabatch.simulated`, whose DLL is Python.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from orcabatch.errors import SourceError

SOURCE = Path(__file__).with_name("small.c")
USED = ("calls", "passes", "computed_ns", "alive", "most_alive")


def built(folder: Path) -> Path:
    """The DLL, compiled into this folder.

    Raises:
        SourceError: there is no C compiler, or no POSIX system.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or os.name != "posix":
        raise SourceError("the native benchmarks need a C compiler (`cc`) on Linux, such as the package `gcc`")
    target = folder / "small.so"
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-lm", "-lpthread"]
    subprocess.run(command, check=True)
    return target


def answers(side: Path, folder: Path, files: int, **question: Any) -> Iterator[dict[str, Any]]:
    """What a script says of a question, line by line, in a fresh process with state folders of its own.

    Args:
        side: the script; gets the path of a JSON file with the question, the DLL and so many files.
        folder: for all of it; a DLL that was compiled there is used again.
        files: names for the DLL to load; their content is nothing to it.
        question: whatever else it asks for.

    Raises:
        SourceError: as `built`.
    """
    names = [folder / f"f{number:03d}.sim" for number in range(files)]
    for name in names:
        name.write_bytes(b"native")
    library = folder / "small.so"
    common = {
        "sys_path": [str(side.parent.parent), *sys.path],
        "library": str(library if library.exists() else built(folder)),
        "files": [str(name) for name in names],
    }
    asked = folder / "question.json"
    asked.write_text(json.dumps(common | question), encoding="utf-8")
    places = {name: str(folder / name) for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    command = [sys.executable, "-P", str(side), str(asked)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | places) as process:
        yield from map(json.loads, process.stdout or ())


class SmallDll:
    """The DLL under the real OrcFxAPI package, in this process.

    Args:
        path: what `built` gave.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        with self._names():
            importlib.import_module("OrcFxAPIConfig").setLibHandle(1)
            self.module: ModuleType = importlib.import_module("OrcFxAPI")

    def cost(self, **values: float) -> None:
        """Set costs by name, see `small.c`."""
        set_cost = self._library.set_cost
        set_cost.argtypes = (ctypes.c_char_p, ctypes.c_double)
        for name, value in values.items():
            if set_cost(name.encode(), float(value)):
                raise ValueError(name)

    def used(self) -> dict[str, float]:
        """Counted so far."""
        out = (ctypes.c_double * len(USED))()
        self._library.used(out)
        return dict(zip(USED, out, strict=True))

    @contextlib.contextmanager
    def _names(self) -> Iterator[None]:
        """What the package looks for on Windows, while it is imported."""
        system = type("System", (), {"__getattr__": lambda *_: self._library.used})()
        provided: dict[str, Any] = {
            "WinDLL": lambda *_, **__: self._library,
            "windll": SimpleNamespace(**dict.fromkeys(("gdi32", "kernel32", "winmm", "OleAut32"), system)),
            "WINFUNCTYPE": ctypes.CFUNCTYPE,
        }
        sys.modules.setdefault("winreg", ModuleType("winreg"))
        for name, value in provided.items():
            setattr(ctypes, name, value)
        try:
            yield
        finally:
            for name in provided:
                delattr(ctypes, name)
