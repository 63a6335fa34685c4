"""The YAML `performance:` section: its models, reading it with all faults at once, merging, its reference.

    sections     one class for each sub-section, one field for each key; `fields`: how a key is declared
    models       all of them as `Settings`, and what keys must hold among each other
    parse        reading a section: all faults at once, merging, what the user wrote himself
    units        sizes, durations and counts as people write them
    reference    the settings page, made from the models

Covers the values; touches no file. Does not cover digitalmodel's own `parallel_processing` section, which belongs to
digitalmodel, nor what the values lead to (`orcabatch.plan`, `orcabatch.engine`).
"""

from orcabatch.settings.models import Settings
from orcabatch.settings.parse import (
    ADVISING,
    Fault,
    all_keys,
    find_faults,
    keys_set,
    merge_sections,
    nearest_key,
    parse_settings,
    to_section,
    was_set,
)
from orcabatch.settings.sections import (
    GC_SHARE,
    METRICS_FILE,
    TIERS,
    Broker,
    Dask,
    Io,
    Ledger,
    Licences,
    Memory,
    Monitoring,
    Optimization,
    SizeThresholds,
    ThreadAllocation,
    Threading,
)
from orcabatch.settings.units import (
    format_count,
    format_duration,
    format_size,
    parse_duration,
    parse_percent,
    parse_rate,
    parse_size,
)

__all__ = [
    "ADVISING",
    "GC_SHARE",
    "METRICS_FILE",
    "TIERS",
    "Broker",
    "Dask",
    "Fault",
    "Io",
    "Ledger",
    "Licences",
    "Memory",
    "Monitoring",
    "Optimization",
    "Settings",
    "SizeThresholds",
    "ThreadAllocation",
    "Threading",
    "all_keys",
    "find_faults",
    "format_count",
    "format_duration",
    "format_size",
    "keys_set",
    "merge_sections",
    "nearest_key",
    "parse_duration",
    "parse_percent",
    "parse_rate",
    "parse_settings",
    "parse_size",
    "to_section",
    "was_set",
]
