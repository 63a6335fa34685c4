"""A session: one thread, one native OrcaFlex model, file after file; a new Python model for each of them.

A model belongs to the thread that made it, and every call on it must come from there; a model that is garbage-collected
elsewhere is leaked without a word. So a session makes its native model on its own thread, loads the next file into it,
gives the file's memory back after each file, and destroys it on that same thread at the end, also after errors. What
callers get is a `Model` of OrcFxAPI over it, another one for every file, as `f(OrcFxAPI.Model(path))` would: of what
they keep of an earlier file nothing answers any more (`orcabatch.orcaflex.owners`).

    Session(binding) ── load(file) → model ── release() ── load(next) → another ── ... ── close()

Does not know what is asked of the model, nor about batches. See also `orcabatch.orcaflex.broker`.
"""

from __future__ import annotations

import ctypes
import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.owners import Opened, Owners, Shells
from orcabatch.orcaflex.sim_files import check_loadable

if TYPE_CHECKING:
    from orcabatch.orcaflex.binding import Binding
    from orcabatch.orcaflex.broker.broker import ResultBroker


class Session:
    """One native model on the calling thread.

    Args:
        binding: OrcFxAPI as `find_binding` found it.
        broker: makes the models; None for OrcFxAPI's own. Not used with a foreign module.
        thread_count: native threads of the model; 0: as many as OrcaFlex gives it by itself.
        shells: what is left of earlier files' models; shared by the sessions of a run.
        reuse: False: each file gets a native model of its own, made from its path as a plain loop makes it.
    """

    def __init__(
        self,
        binding: Binding,
        broker: ResultBroker | None = None,
        thread_count: int = 1,
        shells: Shells | None = None,
        *,
        reuse: bool = True,
    ) -> None:
        self.binding, self._reuse = binding, reuse
        self._broker = broker if binding.is_genuine else None
        self._thread_count = thread_count
        self._shells = Shells() if shells is None else shells
        self._thread = threading.get_ident()
        self._thread_name = threading.current_thread().name
        self._native: Any = None
        self._model: Any = None
        self._opened: Opened | None = None
        self._closed = False

    @property
    def model(self) -> Any:
        """The loaded model; None where nothing is loaded."""
        return self._model

    def load(self, file: Path) -> Any:
        """A new model with this file loaded.

        A native model whose loading failed is in an unknown state, so it is destroyed and the next file gets a new one.

        Raises:
            InputError: the file is missing, empty, cannot be opened, or not by its own name.
            DLLError: OrcaFlex's own words (a licence, not a simulation, a newer version).
        """
        self._on_own_thread("load a file")
        if not self.binding.is_genuine:
            self._model = self.binding.module.Model(str(file))
            return self._model
        check_loadable(file)  # in words of ours, and before a native model takes a seat for it
        self._leave()
        loaded = False
        try:
            if self._native is None:
                self._make_native(*([] if self._reuse else [str(file)]))
            if self._reuse:
                self._native.LoadSimulation(str(file))
            self._model = self._opened_model(file)
            loaded = True
        finally:
            if not loaded:
                self._discard()
        return self._model

    def release(self) -> None:
        """Give back what the loaded file holds; its model and objects raise `FileReleased` from now on.

        The native model is cleared at once, not when the next file is loaded: the session may wait long for memory, and
        loading over a full model could hold two files at a time. One on which the caller set what the next file would
        meet (a handler, a thread count) is destroyed; so is one that cannot be cleared.
        """
        self._on_own_thread("release a file")
        if not self.binding.is_genuine:
            self._model = None
            return
        outlasting = self._opened is not None and self._opened.outlasting
        self._leave()
        if outlasting or not self._reuse or not self._cleared():
            self._discard()
        Owners.of(self.binding.module).take_back()

    def close(self) -> None:
        """Destroy the model. A session that was closed cannot load again."""
        self._on_own_thread("close")
        self._closed = True
        if self.binding.is_genuine:
            owners = Owners.of(self.binding.module)
            if owners.has_models_left():
                gc.collect()  # the last moment at which this thread can destroy what its functions left in cycles
            owners.take_back()
        self._discard()

    def _opened_model(self, file: Path) -> Any:
        native, owners = self._native, Owners.of(self.binding.module)
        self._opened = owners.open(str(file), native.handle)
        if self._broker is not None:
            return self._broker.model_over(native, self._opened.handle)
        return self.binding.module.Model(handle=self._opened.handle)

    def _leave(self) -> None:
        opened, self._opened, self._model = self._opened, None, None
        if opened is not None:
            Owners.of(self.binding.module).close(opened, self._shells)

    def _cleared(self) -> bool:
        try:
            if self._native is not None:
                self._native.Clear()
        except self.binding.module.DLLError:
            return False  # what cannot be cleared is destroyed: the memory comes back all the same
        return True

    def _make_native(self, *path: str) -> None:
        module = self.binding.module
        self._native = module.Model(*path, threadCount=self._thread_count or None)
        Owners.of(module).own(self._native)
        if self._broker is not None:
            self._broker.attach(self._native)

    def _discard(self) -> None:
        self._leave()
        native, self._native = self._native, None
        if native is None:
            return
        if self._broker is not None:
            self._broker.detach(native)
        Owners.of(self.binding.module).release()
        destroy(self.binding.module, native)

    def _on_own_thread(self, what: str) -> None:
        if threading.get_ident() != self._thread:
            here = threading.current_thread().name
            raise RuntimeError(
                f"cannot {what} on thread {here!r}: this session, and its OrcaFlex model, belong to thread "
                f"{self._thread_name!r}; use one session per thread"
            )
        if self._closed:
            raise RuntimeError(f"cannot {what}: this session is closed")


def destroy(module: Any, model: Any) -> None:
    """Destroy the native model now, on this thread, whoever else still holds the Python object.

    `Model.__del__` would do it some time, on whichever thread, and swallow the failure.

    Raises:
        DLLError: OrcaFlex refused (68: this is not the model's thread).
    """
    if not model.ownsModelHandle:
        return
    model.ownsModelHandle = False  # first: else `__del__` would destroy a second time, and a handle may be new by then
    status = ctypes.c_int()
    module._DestroyModel(model.handle, status)
    if status.value:
        raise module.DLLError(module.StatusCode(status.value))
