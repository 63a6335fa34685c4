"""How the broker gets into OrcFxAPI: its own class hook, a subclass of `Model`, and replaced functions.

    Hook ── class of an object, of a model ──> `classes`, which asks the cache
         └─ replaced functions: what may change a model ──> empties its cache
                            └ what is asked all the time ──> remembered

There is one hook per OrcFxAPI module, put in with the first model of a broker's and taken out with the last. Objects of
models that no broker owns get the same classes, which then do nothing: whether an object asks a cache is decided by
its model's handle, when it is made.

What may change a model is every export of the DLL that is not known to read only (`writers`), so a change is seen
whichever Python class it is made through. What the binding asks beside every question is remembered: whether its DLL is
of some version, for the process; whether the file holds frequency domain dynamics and how many samples a period has,
for the loaded file, in its cache. Models that no broker owns, other threads, and failures get OrcFxAPI's own answer.
"""

from __future__ import annotations

import contextlib
import ctypes
from _thread import get_ident
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orcabatch.orcaflex.broker.classes import BrokeredModel, BrokeredObject, BrokeredRangeGraphs, KnownName
from orcabatch.orcaflex.broker.own_code import EXPORT, OwnCode
from orcabatch.orcaflex.owners import Owners
from orcabatch.orcaflex.patches import ModuleExtension, Patches

if TYPE_CHECKING:
    from orcabatch.orcaflex.broker.answer_cache import AnswerCache


class Hook(ModuleExtension):
    """The hook of one OrcFxAPI module, and the caches of the models that brokers own."""

    is_brokers = True

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.caches: dict[Any, AnswerCache] = {}
        self._classes: dict[type, type] = {}
        self._model_class: type | None = None
        self._owners = Owners.of(module)
        self._own_code: OwnCode

    def __call__(self, _kind: Any, base: type) -> type:
        """The class for an object of this kind, over the class that the binding or another hook chose."""
        found = self._classes.get(base)
        if found is None:
            found = self._classes[base] = self._object_class(base)
        return found

    def _put_in(self, module: Any) -> None:
        # What is OrcFxAPI's own may be another matter than the last time.
        self._own_code, self._model_class = OwnCode(module), None
        self._classes.clear()
        module.Model.addOrcaFlexObjectClassHook(self)
        replace_functions(module, self._patches, self.caches, self._own_code)
        self._own_code.settle()

    def _take_out(self, module: Any) -> None:
        with contextlib.suppress(ValueError):  # somebody emptied OrcFxAPI's list
            module.Model.removeOrcaFlexObjectClassHook(self)
        super()._take_out(module)

    def model_class(self) -> type:
        """The subclass of the module's `Model`."""
        if self._model_class is None:
            module, caches = self._module(), self.caches

            def made(self: Any, *args: Any, **kwargs: Any) -> None:
                object.__setattr__(self, "_answer_cache", None)
                module.Model.__init__(self, *args, **kwargs)
                object.__setattr__(self, "_answer_cache", caches.get(getattr(self.handle, "value", self.handle)))

            # Slots, as OrcFxAPI's own has: a misspelt attribute raises.
            body = {"__init__": made, "__slots__": ("_answer_cache",), "__module__": module.__name__}
            metaclass: Any = type(module.Model)
            made_class = metaclass("Model", (BrokeredModel, module.Model), body | {"__doc__": module.Model.__doc__})
            made_class._broker_guards = self._own_code.guards(made_class, module.Model)
            self._model_class = made_class
        return self._model_class

    def _object_class(self, base: type) -> type:
        module, caches, claim = self._module(), self.caches, self._owners.claim
        files = self._owners.files
        ranges = (BrokeredRangeGraphs,) if hasattr(base, "RangeGraph") else ()
        # A class of a user's or of another hook's may have an `__init__` of its own, which must run.
        plain = base.__init__ is module.OrcaFlexObject.__init__  # type: ignore[misc]

        def made(self: Any, modelHandle: Any, handle: Any, type: Any) -> None:  # noqa: A002, N803 - OrcFxAPI's names
            value = getattr(modelHandle, "value", modelHandle)
            cache = caches.get(value)
            if not plain:
                base.__init__(self, modelHandle, handle, type)  # type: ignore[misc]
            # Else straight into `__dict__`, where OrcFxAPI's own puts it by three `__setattr__` in Python: a model has
            # hundreds of objects, and this is run for each of them in every file.
            elif cache is not None and cache.objects.making is handle:
                self.__dict__.update(handle=handle, modelHandle=files[value].handle, type=type)
            else:
                self.__dict__.update(handle=handle, modelHandle=claim(self, modelHandle, handle), type=type)
            if cache is not None:
                cache.adopt(self)

        body: dict[str, Any] = {"__init__": made, "__module__": base.__module__, "__doc__": base.__doc__}
        if not hasattr(base, "name"):
            body["name"] = KnownName()
        brokered: Any = type(base.__name__, (BrokeredObject, *ranges, base), body)
        brokered._broker_guards = self._own_code.guards(brokered, base)
        brokered._broker_plain = self._own_code.is_own(base)
        return brokered  # type: ignore[no-any-return]

    def plain_class(self) -> type:
        """A class for asking about any object, whatever other hooks make of it."""
        return self(None, self._module().OrcaFlexObject)


def replace_functions(module: Any, patches: Patches, caches: Mapping[Any, AnswerCache], own: OwnCode) -> None:
    """Replace OrcFxAPI's own functions; what an OrcFxAPI does not have, and what is a user's by now, is left out."""
    replaced, find_model = _Replacements(caches), module.HelperMethods.GetModelHandle
    for name in writers(module, own):
        patches.put(module, name, lambda original: replaced.write(original, module, find_model))
    for owner, name, wrap in (
        (module, "_checkVersion", _version),
        (module, "_GetNumOfSamples", replaced.sample_count),
        (module.HelperMethods, "IsFrequencyDomainDynamics", replaced.frequency_domain),
    ):
        if own.is_own(vars(owner).get(name)):
            patches.put(owner, name, wrap)


class _Replacements:
    """What stands in the place of OrcFxAPI's functions, given what stood there."""

    def __init__(self, caches: Mapping[Any, AnswerCache]) -> None:
        self._caches = caches

    def _cache_of(self, model_handle: Any) -> AnswerCache | None:
        cache = self._caches.get(getattr(model_handle, "value", model_handle))
        return cache if cache is not None and get_ident() == cache.thread else None

    def write(self, original: Callable[..., Any], module: Any, find_model: Callable[[Any], Any]) -> Callable[..., Any]:
        def write(*args: Any) -> Any:
            # Only models of this thread can be changed by this call: OrcaFlex refuses all others (status 68).
            thread = get_ident()
            # Of a copy: another thread may open a model meanwhile.
            mine = [cache for cache in tuple(self._caches.values()) if cache.thread == thread]
            if mine:
                mine = self._changed(
                    mine, [each for each in args if isinstance(each, module.Handle) and each], find_model
                )
            with contextlib.ExitStack() as changes:
                for cache in mine:
                    changes.enter_context(cache.change())
                return original(*args)

        return write

    def _changed(
        self, mine: list[AnswerCache], handles: Sequence[Any], find_model: Callable[[Any], Any]
    ) -> list[AnswerCache]:
        # Handles of models, or of objects of them; one that leads nowhere, or none at all: it may be any of them.
        found: list[AnswerCache] = []
        for handle in handles:
            cache = self._caches.get(handle.value)
            if cache is None:
                try:
                    cache = self._caches.get(find_model(handle).value)
                except Exception:  # noqa: BLE001 - OrcFxAPI's own error comes from the call itself
                    return mine
            if cache in mine and cache not in found:
                found.append(cache)
        return found if handles else mine

    def frequency_domain(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def is_frequency_domain(model_handle: Any) -> Any:
            cache = self._cache_of(model_handle)
            if cache is None:
                return original(model_handle)
            return cache.fact("frequency domain", lambda: original(model_handle))

        return is_frequency_domain

    def sample_count(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def sample_count(model_handle: Any, period: Any, status: Any) -> Any:
            cache = self._cache_of(model_handle)
            if cache is None or not isinstance(period, ctypes.Structure):
                return original(model_handle, period, status)
            counts, key = cache.sample_counts, bytes(period)
            if key not in counts:
                count = original(model_handle, period, status)
                if status.value:
                    return count
                counts[key] = count
            status.value = 0  # the caller looks at it, as after a call that went well
            return counts[key]

        return sample_count


def _version(original: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    def is_at_least(version: str) -> Any:
        if version not in known:
            known[version] = original(version)
        return known[version]

    return is_at_least


# The list is of readers, so that an export which a later OrcFxAPI adds counts as a change until it is known to be none:
# a cache emptied for nothing costs a question, one kept for too long gives a wrong number. Names are those under which
# OrcFxAPI binds them. What another handle stands for (a diffraction, a canvas) is no model.
_READING_PREFIXES = (
    "_AVIFile", "_Close", "_CopyBuffer", "_CreateBitmapCanvas", "_CreateCycleHistogram", "_CreateLocalExtrema",
    "_CreateTimeHistorySummary", "_CreateViewFilter", "_DestroyBitmapCanvas", "_DestroyCycleHistogram",
    "_DestroyLocalExtrema", "_DestroyTimeHistorySummary", "_DestroyViewFilter", "_Enumerate", "_Evaluate",
    "_FreeBuffer", "_Get", "_GroupGet", "_LocalExtrema", "_Open", "_Orcina", "_Query", "_Save", "_ViewFilter",
)  # fmt: skip
_READERS = frozenset(
    {
        "_AnalyseExtrema",
        "_CalculateExtremeStatisticsExcessesOverThreshold",
        "_CalculateLinkedStatisticsTimeSeriesStatistics",
        "_CalculateRratio",
        "_CalculateTimeSeriesStatistics",
        "_CreateCollatedResultsAdmin",
        "_CreateModel2",
        "_CreateModel3DViewBitmap",
        "_DataRequiresIndex",
        "_DeleteObject",
        "_DestroyCollatedResultsAdmin",
        "_DestroyModel",
        "_DestroyModes",
        "_DestroyTags",
        "_DrawModel3DViewToBitmapCanvas",
        "_ExternalFunctionPrint",
        "_FitExtremeStatistics",
        "_ModuleEnabled",
        "_ObjectCalled",
        "_RegisterLicenceNotFoundHandler",
        "_ReportActionProgressW",
        "_SimulateToleranceIntervals",
        "_SolveEquation",
        "_SysFreeString",
        "_TranslateDiffractionOutput",
        "_mmioStringToFOURCCA",
    }
)


def writers(module: Any, own: OwnCode) -> Iterator[str]:
    """Names of the exports that may change a model, also of those that are replaced by something of a user's."""
    for name, value in tuple(vars(module).items()):
        if name in _READERS or name.startswith(("__", *_READING_PREFIXES)) or not name.startswith("_"):
            continue
        if isinstance(value, EXPORT) or (callable(value) and not isinstance(value, type) and not own.is_own(value)):
            yield name
