"""A session: one thread, one OrcaFlex model, file after file.

A model belongs to the thread that made it, and every call on it must come from there; a model that is garbage-collected
elsewhere is leaked without a word. So a session makes its model on its own thread, loads the next file into it, gives
the file's memory back after each file, and destroys it on that same thread at the end, also after errors.

    Session(binding) ── load(file) → model ── release() ── load(next) ── ... ── close()

Does not know what is asked of the model, nor about batches. See also `orcabatch.orcaflex.broker`.
"""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from orcabatch.orcaflex.files import check_readable

if TYPE_CHECKING:
    from orcabatch.orcaflex.binding import Binding

_HANDLERS = ("progressHandler", "correctExternalFileReferencesHandler")


class ModelMaker(Protocol):
    """What makes models where the result broker is used; see `orcabatch.orcaflex.broker`."""

    def new_model(self, thread_count: int) -> Any:
        """A new model whose answers the broker remembers."""

    def forget_model(self, model: Any) -> None:
        """The model is about to be destroyed."""


class Session:
    """One model on the calling thread.

    Args:
        binding: OrcFxAPI as `find_binding` found it.
        broker: makes the models; None for OrcFxAPI's own. Not used with a foreign module.
        thread_count: native threads of the model.
    """

    def __init__(self, binding: Binding, broker: ModelMaker | None = None, thread_count: int = 1) -> None:
        self.binding = binding
        self._broker = broker if binding.is_genuine else None
        self._thread_count = thread_count
        self._thread = threading.get_ident()
        self._thread_name = threading.current_thread().name
        self._model: Any = None
        self._closed = False

    @property
    def model(self) -> Any:
        """The loaded model; None where nothing is loaded."""
        return self._model

    def load(self, file: Path) -> Any:
        """The model with this file loaded.

        A model whose loading failed is in an unknown state, so it is destroyed and the next file gets a new one.

        Raises:
            InputError: the file is missing, empty or cannot be opened.
            DLLError: OrcaFlex's own words (a licence, not a simulation, a newer version).
        """
        self._on_own_thread("load a file")
        if not self.binding.is_genuine:
            self._model = self.binding.module.Model(str(file))
            return self._model
        check_readable(file)
        reused = self._model is not None
        if not reused:
            self._model = self._new_model()
        loaded = False
        try:
            self._model.LoadSimulation(str(file))
            if reused:
                renew_fixed_objects(self.binding.module, self._model)
            loaded = True
        finally:
            if not loaded:
                self._discard()
        return self._model

    def release(self) -> None:
        """Give back what the loaded file holds.

        The model is cleared at once, not when the next file is loaded: the session may wait long for memory, and
        loading over a full model could hold two files at a time. A model that the caller left handlers on is
        destroyed, since they would act on the next file; so is one that cannot be cleared.
        """
        self._on_own_thread("release a file")
        if not self.binding.is_genuine:
            self._model = None
        elif self._model is not None:
            self._clear()

    def close(self) -> None:
        """Destroy the model. A session that was closed cannot load again."""
        self._on_own_thread("close")
        self._closed = True
        self._discard()

    def _clear(self) -> None:
        try:
            if not any(getattr(self._model, name, None) for name in _HANDLERS):
                self._model.Clear()
                return
        except self.binding.module.DLLError:
            pass  # what cannot be cleared is destroyed: the memory comes back all the same
        self._discard()

    def _new_model(self) -> Any:
        if self._broker is not None:
            return self._broker.new_model(self._thread_count)
        return self.binding.module.Model(threadCount=self._thread_count)

    def _discard(self) -> None:
        model, self._model = self._model, None
        if model is None or not self.binding.is_genuine:
            return
        if self._broker is not None:
            self._broker.forget_model(model)
        destroy(self.binding.module, model)

    def _on_own_thread(self, what: str) -> None:
        if threading.get_ident() != self._thread:
            here = threading.current_thread().name
            raise RuntimeError(
                f"cannot {what} on thread {here!r}: this session, and its OrcaFlex model, belong to thread "
                f"{self._thread_name!r}; use one session per thread"
            )
        if self._closed:
            raise RuntimeError(f"cannot {what}: this session is closed")


def renew_fixed_objects(module: Any, model: Any) -> None:
    """Make sure that `model.general` and `model.environment` belong to the file that was just loaded.

    The binding makes them once, with the model. That OrcaFlex keeps their handles over loading and clearing is likely
    (the binding itself loads into the model that it made them for), but documented nowhere.
    """
    helpers, kinds = module.HelperMethods, module.ObjectType
    for name, find, kind in (
        ("general", helpers.GetGeneralHandle, kinds.General),
        ("environment", helpers.GetEnvironmentHandle, kinds.Environment),
    ):
        handle = find(model.handle)
        if getattr(handle, "value", handle) != getattr(model, name).handle.value:
            object.__setattr__(model, name, helpers.CreateOrcaFlexObject(model.handle, handle, kind))


def destroy(module: Any, model: Any) -> None:
    """Destroy the native model now, on this thread, whoever else still holds the Python object.

    `Model.__del__` would do it some time, on whichever thread, and swallow the failure.

    Raises:
        DLLError: OrcaFlex refused (68: this is not the model's thread).
    """
    if not model.ownsModelHandle:
        return
    model.ownsModelHandle = False
    status = ctypes.c_int()
    module._DestroyModel(model.handle, status)
    if status.value:
        raise module.DLLError(module.StatusCode(status.value))
