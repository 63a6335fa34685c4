"""Which names of OrcFxAPI only read: everything else may change the model.

The list is of readers, so that a method which a later OrcFxAPI adds counts as a change until it is known to be none.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

_READING_PREFIXES = ("Save", "FrequencyDomain", "_")

OBJECT_READERS = frozenset(
    {
        "AnalyseExtrema",
        "CycleHistogramBins",
        "DataNameRequiresIndex",
        "DataNameValid",
        "DataType",
        "EmpiricalDistribution",
        "ExtremeStatistics",
        "GetData",
        "GetDataRowCount",
        "GroupChildren",
        "HasChanged",
        "IsDefault",
        "IsMarkedAsChanged",
        "LineResultPoints",
        "LinkedStatistics",
        "NearestNodeArclength",
        "ObjectExtraFieldRequired",
        "RainflowAssociatedMean",
        "RainflowHalfCycles",
        "RangeGraph",
        "RangeGraphCollated",
        "RangeGraphXaxis",
        "RequiredObjectExtraFields",
        "SampleCount",
        "SampleTimes",
        "SampleTimesCollated",
        "SpectralDensity",
        "SpectralResponseRAO",
        "StaticResult",
        "TimeHistory",
        "TimeHistoryCollated",
        "TimeSeriesStatistics",
        "UnitsConversionFactor",
        "UnorderedRainflowHalfCycles",
        "VariableDataType",
        "dataChange",
        "isBuiltInAttribute",
        "lineTypeAt",
        "varDetails",
        "varID",
        "vars",
    }
)

MODEL_READERS = frozenset(
    {
        "EulerBucklingLimitExceeded",
        "EvaluateWaveFrequencySpectrum",
        "ModuleEnabled",
        "ReportActionProgress",
        "SampleCount",
        "SampleTimes",
        "SampleTimesCollated",
        "addOrcaFlexObjectClassHook",
        "createOrcaFlexObject",
        "dongleName",
        "frequencyDomainProcessComponents",
        "get",
        "items",
        "keys",
        "orcaFlexObjectClass",
        "removeOrcaFlexObjectClassHook",
        "values",
    }
)

STRAY_WRITERS = ("ExchangeObjects", "MoveObjects", "SetLibraryPolicy", "SortObjects")
"""Functions of the module, not of an object, that change models."""


def writers(module: Any, base: type, readers: frozenset[str]) -> Iterator[str]:
    """Names of the methods of `base` that OrcFxAPI itself defines and that may change the model."""
    for name, member in inspect.getmembers_static(base):
        if name in readers or name.startswith(_READING_PREFIXES) or not inspect.isfunction(member):
            continue
        if member.__module__ == module.__name__:
            yield name
