"""`module:function` on the command line as the function."""

from __future__ import annotations

import functools
import importlib
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orcabatch.errors import SourceError
from orcabatch.orcaflex.binding import find_binding
from orcabatch.text import class_name, nearest, words_of


def named_function(name: str, *, simulated: bool = False) -> Callable[..., Any]:
    """The function; its module is looked for in the working folder first, as `python -m` does.

    Args:
        name: `module:function`, with dots in both where it is deeper.
        simulated: the module may import OrcFxAPI, and the simulated one is meant.

    Raises:
        SourceError: there is no such module or function, or importing it fails; says what is there.
        OrcaFlexUnavailable: it needs OrcFxAPI, which cannot be imported.
    """
    module_name, colon, path = name.rpartition(":")  # the last one: a drive of Windows has one too
    if not colon:
        module_name, path = name, ""
    *folders, last = re.split(r"[\\/]", module_name)
    meant = last.removesuffix(".py")
    if not meant or not path or folders or meant != last:
        where = ", in the folder of that module" if folders else ""
        example = f"{meant or 'largest'}:{path or 'largest_tension'}"
        raise SourceError(f"--postprocess {name}: write module:function, such as {example}{where}")
    if simulated:
        find_binding("simulated")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        _blame_orcfxapi(error)
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise SourceError(
                f"--postprocess {name}: {module_name} imports {error.name}, which is not there"
            ) from error
        raise SourceError(
            f"--postprocess {name}: there is no module {module_name} in {Path.cwd()} or the environment"
        ) from error
    except Exception as error:  # the module's own code, which may raise anything
        _blame_orcfxapi(error)
        raise SourceError(
            f"--postprocess {name}: importing {module_name} raises {words_of(error)} (--debug says where)"
        ) from error
    try:
        found = functools.reduce(getattr, path.split("."), module)
    except AttributeError as error:
        there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        near = nearest(path, there, alike=0.5)
        hint = f"; did you mean {near}?" if near else f"; there are {', '.join(there[:10])}" if there else ""
        raise SourceError(f"--postprocess {name}: {module_name} has no function {path}{hint}") from error
    if not callable(found):
        raise SourceError(f"--postprocess {name}: {path} is no function, but {class_name(type(found))}")
    return found


def _blame_orcfxapi(error: Exception) -> None:
    """Where the module failed because OrcFxAPI did, have that said in its own words.

    Raises:
        OrcaFlexUnavailable: it did.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if getattr(error, "name", "") == "OrcFxAPI" or any(Path(frame.filename).name == "OrcFxAPI.py" for frame in frames):
        find_binding("real")
