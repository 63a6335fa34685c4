"""What is left to digitalmodel as it is: merging masters, what is asked for beside the post-process, the last resort.

Its merge changes the masters it merges (a second merge would give other columns), so it is done once, on a copy. A
newer clone may load a file while merging, to learn the names of its lines; that is done here, without its loader,
because that swaps the standard output of the whole process. And whether its own router runs around this call, and what
callers read from its object afterwards.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.outputs import flagged
from orcabatch.errors import OrcaFlexUnavailable, SettingsError
from orcabatch.orcaflex.binding import find_binding
from orcabatch.orcaflex.failures import refusal, refusal_passes
from orcabatch.outcome import Phase
from orcabatch.text import words_of

if TYPE_CHECKING:
    from orcabatch.digitalmodel.installed import Installation
    from orcabatch.outcome import FileOutcome


@dataclass(frozen=True, slots=True)
class Router:
    """A run of digitalmodel's own router.

    Attributes:
        post: the post-process object that the caller has, and reads afterwards.
        asked: the configuration (JSON-safe) before the router merged its masters; None where nobody saw it.
        said: what the engineer should know, found out before it ran.
    """

    post: Any
    asked: Mapping[str, Any] | None = None
    said: Sequence[str] = ()


_IN_ROUTER: ContextVar[Router | None] = ContextVar("orcabatch_digitalmodel_in_router", default=None)


@contextmanager
def inside_router(post: Any, asked: Mapping[str, Any] | None = None, said: Sequence[str] = ()) -> Iterator[None]:
    """While digitalmodel's own router runs: masters are merged already, and what follows is the router's affair.

    Args:
        post: see `Router`.
        asked: see `Router`.
        said: see `Router`.
    """
    token = _IN_ROUTER.set(Router(post, asked, said))
    try:
        yield
    finally:
        _IN_ROUTER.reset(token)


def is_inside_router() -> bool:
    """Whether digitalmodel's own router runs: then the masters are merged."""
    return _IN_ROUTER.get() is not None


def router() -> Router | None:
    """The router that runs; None outside."""
    return _IN_ROUTER.get()


def merge_masters(installation: Installation, cfg: AttributeDict) -> bool:
    """Merge the masters into `cfg`, in place, with digitalmodel's own function.

    Returns:
        Whether it looked into `.sim` files: then the outcome depends on them too, and not only where there are masters.

    Raises:
        SettingsError: digitalmodel cannot merge them.
    """
    own = installation.opp.OrcaFlexPostProcess
    looked = False

    class Guarded(own):  # type: ignore[misc, valid-type]
        """digitalmodel's post-process with another way to learn line names."""

        def _discover_line_names(self, cfg: Any) -> list[str]:
            nonlocal looked
            looked = True
            return line_names(installation, cfg)

    try:
        with CapturedOutput():
            Guarded().get_cfg_with_master_data(cfg)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise SettingsError(
            f"digitalmodel cannot merge the `..._master` sections into the settings ({words_of(error)}). "
            "A master needs as many groups as the settings it belongs to, and each group a list of Columns."
        ) from error
    return looked


def line_names(installation: Installation, cfg: Any) -> list[str]:
    """Names of the lines of the first usable file that has some; as a newer clone learns them, with an own loader.

    Raises:
        OrcaFlexUnavailable: no licence, say: those of another file would be other columns.
    """
    names_of = installation.opp.get_object_names_from_model
    orcfxapi = find_binding().module
    for item in cfg["file_management"]["input_files"]["sim"]:
        path = installation.ou.get_SimulationFileName(item)
        try:
            model = orcfxapi.Model(path)
        except (OSError, RuntimeError, orcfxapi.DLLError) as error:
            if refusal_passes(error):
                raise OrcaFlexUnavailable(f"Lines cannot be read from {path}: {refusal(error)}.") from error
            continue
        if not installation.uses(model.state.name):
            continue
        names: list[str] = names_of(model, installation.opp.of_objects, "Line")
        if names:
            return names
    return []


def original_post_process(installation: Installation) -> Callable[[Any, Any], Any]:
    """The `post_process` that is digitalmodel's own, also while orcabatch is installed in its place."""
    current = installation.opp.OrcaFlexPostProcess.post_process
    own: Callable[[Any, Any], Any] = getattr(current, "__wrapped__", current)
    return own


def run_natively(installation: Installation, given: Mapping[str, Any], post: Any = None) -> None:
    """Run digitalmodel's own post-process over all files, one after the other; changes `given` as it does.

    Args:
        installation: the digitalmodel.
        given: the configuration.
        post: the object whose router runs already; it gets the attributes that digitalmodel's has afterwards.
    """
    cfg = AttributeDict(given)
    own = type("Own", (installation.opp.OrcaFlexPostProcess,), {"post_process": original_post_process(installation)})()
    cfg["parallel_processing"] = {**(cfg.get("parallel_processing") or {}), "enabled": False}
    with CapturedOutput():
        if post is None:
            own.post_process_router(cfg)
        else:
            own.post_process(cfg)
            vars(post).update(vars(own))
    if isinstance(given, MutableMapping):
        given.update(cfg)


def attributes_left(cfg: Mapping[str, Any], outcomes: Sequence[FileOutcome], *, has_pool: bool) -> dict[str, Any]:
    """What digitalmodel's pass over the files leaves on its object, for scripts that read it.

    There is nothing in it: range graphs end in None or in an error that it swallows, and histograms are never made. A
    newer clone keeps a place for files that failed, 0.0.9 knows only those that stand.
    """
    groups = len((cfg.get("time_series_settings") or {}).get("groups") or ())
    if has_pool:
        unread = {Phase.WAIT, Phase.LOAD}
        places = [groups if one.ok or one.failed_phase in unread else 1 for one in outcomes]
        return {"RangeAllFiles": [None] * len(places), "HistogramAllFiles": [_nothing(count) for count in places]}
    stand = sum(outcome.ok for outcome in outcomes)
    left: dict[str, Any] = {
        "HistogramAllFiles": [_nothing(groups) for _ in range(stand)],
        "RangeAllFiles": [None, None] * stand,
    }
    return {"fileIndex": stand - 1, **left} if stand else left


def _nothing(groups: int) -> list[list[Any]]:
    return [[]] * groups


def asks_beyond(cfg: Mapping[str, Any]) -> bool:
    """Whether something is asked for that `pass_on` has to hand to digitalmodel."""
    return flagged(cfg, "visualization") or flagged(cfg, "all_vars")


def pass_on(installation: Installation, cfg: AttributeDict) -> None:
    """Have digitalmodel do what is asked for beside the post-process: pictures, and all variables of all objects."""
    with CapturedOutput():
        if flagged(cfg, "visualization"):
            installation.opp.opp_visualization.get_visualizations(cfg)
        if flagged(cfg, "all_vars"):
            importlib.import_module(f"{installation.package}.all_vars").AllVars().router(cfg)
