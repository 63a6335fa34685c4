"""digitalmodel's post-process under its own name and with its own methods, in parallel.

    from orcabatch.digitalmodel import OrcaFlexPostProcess      # the changed line of a script
    orcabatch.digitalmodel.install()                            # or: digitalmodel.engine(...) picks it up

The router is digitalmodel's own: licence, masters, what comes after the post-process. Replaced is the one method in
which it visits the files. Covers both ways in, and being loud about failed files; does not cover how a batch runs
(`orcabatch.batch`).
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import warnings
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

from orcabatch.batch.request import Options
from orcabatch.digitalmodel.installed import Installation, find_installation, open_gate
from orcabatch.digitalmodel.mappings import AttributeDict
from orcabatch.digitalmodel.native import attributes_left, inside_router, line_names, router
from orcabatch.digitalmodel.output_capture import CapturedOutput
from orcabatch.digitalmodel.proof_input import exact_form
from orcabatch.digitalmodel.reader import NOT_CONFIGURED, finished_request, is_configured
from orcabatch.digitalmodel.source_code import find_source_code
from orcabatch.errors import OrcabatchError, OrcaFlexUnavailable, SourceError
from orcabatch.orcaflex.binding import find_binding
from orcabatch.text import and_more, spelled

if TYPE_CHECKING:
    from orcabatch.results.result import BatchResult

LOGGER = "orcabatch"
NAMED = 10
"""How many failed files the warning names; all stand in the result and in the list of failed files."""


class OrcaFlexPostProcess:
    """digitalmodel's `OrcaFlexPostProcess`: same methods, same configuration, files in parallel.

    Methods that are not here are digitalmodel's own. After a run it has the attributes that digitalmodel's has then.

    Attributes:
        result: what became of each file; None before a run.
    """

    def __init__(self, cfg: Mapping[str, Any] | None = None) -> None:
        self.result: BatchResult | None = None
        self._cfg = cfg

    def post_process_router(self, cfg: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """Run what the configuration asks for; returns the same object, with what digitalmodel leaves in it.

        Failed files raise one warning that names them; with `on_failure: raise` in its `performance:` section a
        `BatchError`, after the others are written.

        Args:
            cfg: digitalmodel's configuration; attribute access is not needed.

        Raises:
            OrcaFlexUnavailable: no OrcFxAPI, or no licence.
            BatchError: files failed, and `on_failure` is `raise`.
            SourceError: the configuration is a YAML as it was read; names what makes one of it.
        """
        asked, said = _asked(cfg) if type(self).post_process is OrcaFlexPostProcess.post_process else None, list[str]()
        if asked is not None and self._was_finished(cfg, said.append):
            return cfg
        own, view = self._own(cfg), AttributeDict(cfg)
        installation = _found(cfg)
        try:
            with CapturedOutput(), inside_router(self, asked, said):
                _check_licence(installation)
                own.post_process_router(view)
        except (AttributeError, KeyError, TypeError) as error:
            if is_configured(cfg):
                raise
            raise SourceError(NOT_CONFIGURED) from error
        finally:
            cfg.update(view)
        return cfg

    def post_process(self, cfg: MutableMapping[str, Any]) -> None:
        """Visit the files of a configuration whose masters are merged already."""
        _found(cfg)
        running = router()
        with nullcontext() if running is not None and running.post is self else inside_router(self):
            self.result = _run(cfg, running.said if running is not None else ())
        tell_notices(self.result)
        tell_failures(self.result, cfg)

    def _was_finished(self, cfg: MutableMapping[str, Any], warn: Callable[[str], None]) -> bool:
        """Whether earlier runs did all of it: then nothing of digitalmodel is imported, and no licence asked for."""
        from orcabatch.batch import carry_out

        request = None
        with suppress(OrcabatchError):  # what is wrong is said by the run that follows, in its own order
            request = finished_request(cfg, _OPTIONS, warn)
        if request is None:
            return False
        self.result = carry_out(request)
        found = find_source_code()
        left = attributes_left(cfg, self.result.outcomes, has_pool=found is not None and found.has_pool)
        vars(self).update(left)
        tell_notices(self.result)
        return True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._own({}), name)

    def _own(self, cfg: Mapping[str, Any]) -> Any:
        """An object of digitalmodel's own class, but for the methods that visit files."""
        installation = _found(cfg)
        own = installation.opp.OrcaFlexPostProcess(self._cfg)
        own.post_process = self.post_process
        own._discover_line_names = functools.partial(line_names, installation)  # a newer clone's loader swaps stdout
        return own


def install() -> None:
    """Let digitalmodel itself (its engine, its router) visit files through orcabatch; doing it twice does nothing more.

    Raises:
        DigitalModelError: digitalmodel is not installed.
        OrcaFlexUnavailable: OrcFxAPI cannot be used.
    """
    theirs = _found({}).opp.OrcaFlexPostProcess
    _explain_engine()
    original = theirs.post_process
    if getattr(original, "_by_orcabatch", False):
        return

    @functools.wraps(original)
    def post_process(self: Any, cfg: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        with inside_router(self):
            self.result = _run(cfg)
        tell_notices(self.result)
        tell_failures(self.result, cfg)
        return cfg

    post_process._by_orcabatch = True  # type: ignore[attr-defined]
    theirs.post_process = post_process


def uninstall() -> None:
    """Give digitalmodel its own method back; nothing where `install` was not called."""
    theirs = _found({}).opp.OrcaFlexPostProcess
    if getattr(theirs.post_process, "_by_orcabatch", False):
        theirs.post_process = theirs.post_process.__wrapped__
        _explain_engine(undo=True)


def _explain_engine(*, undo: bool = False) -> None:
    """Have `digitalmodel.engine` say what to do where it cannot start: the published package has no base configuration.

    Its error stays as it is, and gets a note. Only where the engine is imported: importing what it does puts other
    streams in the place of the process's own.
    """
    manager = getattr(sys.modules.get(_MANAGER), "ConfigureApplicationInputs", None)
    original = getattr(manager, "unify_application_and_default_and_custom_yamls", None)
    if manager is None or original is None or hasattr(original, "__wrapped__") is not undo:
        return  # a digitalmodel that starts in another way, or one that is explained already
    if undo:
        manager.unify_application_and_default_and_custom_yamls = original.__wrapped__
        return

    @functools.wraps(original)
    def explained(*args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except FileNotFoundError as error:
            error.add_note(NO_BASE)
            raise

    manager.unify_application_and_default_and_custom_yamls = explained


def tell_failures(result: BatchResult, cfg: Mapping[str, Any]) -> None:
    """Be loud about failed files: one warning that names them, or an exception where that was asked for.

    Raises:
        BatchError: files failed, and `performance: on_failure` is `raise`.
    """
    if not result.failed:
        return
    if (cfg.get("performance") or {}).get("on_failure") == "raise":
        result.raise_for_failures()
    named = [f"{outcome.file.name}: {outcome.error}" for outcome in result.failed[:NAMED]]
    more = and_more(len(result.failed), NAMED)
    named += [f"{more}, see the list of failed files"] if more else []
    text = f"{len(result.failed)} of {len(result.outcomes)} files failed, the others are written: {'; '.join(named)}"
    _warn(text)


def tell_notices(result: BatchResult) -> None:
    """See to it that what was done without a word is seen: the log of the run has it, unless that shows no warnings."""
    if result.notices and not logging.getLogger(LOGGER).isEnabledFor(logging.WARNING):
        _warn(" ".join(map(str, result.notices)))


def _warn(text: str) -> None:
    where = _callers_frame()
    file, line = where.f_code.co_filename, where.f_lineno
    warnings.warn_explicit(spelled(text), UserWarning, file, line, module="orcabatch.digitalmodel")


def _callers_frame() -> FrameType:
    """The innermost frame that is neither digitalmodel's nor ours: where the engineer's own call stands."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_back is not None:
        if frame.f_globals.get("__name__", "").split(".")[0] not in {"digitalmodel", "orcabatch"}:
            return frame
        frame = frame.f_back
    if frame is None:
        raise RuntimeError("this Python has no frames to look at")
    return frame


_OPTIONS = Options(on_failure="continue")
"""Failures are said here, where they are seen."""


def _run(cfg: MutableMapping[str, Any], notes: Sequence[str] = ()) -> BatchResult:
    from orcabatch.batch import carry_out
    from orcabatch.batch.readers import read_request

    request = read_request(cfg, _OPTIONS)
    return carry_out(replace(request, notes=(*notes, *request.notes)))


def _asked(cfg: Mapping[str, Any]) -> Any:
    """A configuration as its caller gives it (JSON-safe); None where nobody knows what the router makes of it."""
    found = find_source_code()
    return exact_form(cfg) if found is not None and found.tested and is_configured(cfg) else None


def _found(cfg: Mapping[str, Any]) -> Installation:
    """The installed digitalmodel, over the OrcaFlex that the configuration chooses."""
    find_binding("simulated" if (cfg.get("performance") or {}).get("orcaflex") == "simulated" else "real")
    open_gate()
    return find_installation()


def _check_licence(installation: Installation) -> None:
    """As digitalmodel asks: can a model be made?

    Raises:
        OrcaFlexUnavailable: it cannot.
    """
    try:
        available = installation.ou.is_orcaflex_available()
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise OrcaFlexUnavailable(_NO_LICENCE) from error
    if not available:
        raise OrcaFlexUnavailable(_NO_LICENCE)


_MANAGER = "assetutilities.common.ApplicationManager"
NO_BASE = (
    "orcabatch: this digitalmodel has no base configuration inside, so its engine cannot start. Use "
    '`orcabatch.run_batch("file.yml")`, or the command `orcabatch run file.yml`, which bring the defaults; or a clone '
    "of digitalmodel, which has them."
)
_NO_LICENCE = "No OrcaFlex licence is available: a model cannot be made. Free a seat, or check the licence manager."
