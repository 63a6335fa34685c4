"""Which exports of OrcaFlex's DLL only read: every other one may change a model.

The list is of readers, so that an export which a later OrcFxAPI adds counts as a change until it is known to be none.
Names are those under which OrcFxAPI binds them. What another handle stands for (a diffraction, a canvas) is no model.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

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
_EXPORT: Any = ctypes.CFUNCTYPE(None).__mro__[1]
"""The class of every function of a DLL."""


def writers(module: Any) -> Iterator[str]:
    """Names of the exports that may change a model."""
    for name, value in tuple(vars(module).items()):
        if isinstance(value, _EXPORT) and name not in _READERS and not name.startswith(_READING_PREFIXES):
            yield name
