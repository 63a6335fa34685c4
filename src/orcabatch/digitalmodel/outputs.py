"""The outputs that digitalmodel knows, which of them a configuration asks for, and the columns of their groups.

Covers how digitalmodel reads its flags. Does not cover mistakes in them (`orcabatch.digitalmodel.check`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

OUTPUTS = ("summary", "linked_statistics", "time_series", "RangeGraph", "cummulative_histograms", "visualization")
"""What digitalmodel can be asked for, each with a flag."""
FILE, FILE_STEM, STATISTIC = "fe_filename", "fe_filename_stem", "statistic"
"""Columns that say which `.sim` file a row is about (its stem in summaries only), or what a row sums up."""
ROW_KEY = (FILE, STATISTIC)
"""What names a row: rows of statistics are of no file."""
STATISTICS = ("Minimum", "Maximum", "Mean", "StdDev")
"""The switches below a summary's `statistics`."""
SETTINGS_OF = {
    "summary": "summary_settings",
    "linked_statistics": "linked_statistics_settings",
    "time_series": "time_series_settings",
}
"""The section that holds the groups of each output."""
SECTIONS = frozenset({
    *("basename", "meta", "library", "workflow", "default", "default_yaml", "parameters", "orcaflex", "RangeGraph"),
    *("RangeGraph_settings", "visualization_settings", "file_management", "parallel_processing", "Analysis"),
    *("performance", "workers", "quiet", "verbose"),
    *(name for section in SETTINGS_OF.values() for name in (section, f"{section}_master")),
})  # fmt: skip
"""The top-level keys that mean something in a post-process YAML."""
WORDS = {"summary": "summary", "linked_statistics": "linked statistics", "time_series": "time series"}
"""What each of them is called."""
DATA_OUTPUTS = ("summary", "linked_statistics", "RangeGraph", "time_series", "cummulative_histograms")
"""The flags that make digitalmodel visit the files."""

_WRITTEN = {
    "summary": "summary {labels}",
    "linked_statistics": "linked statistics {labels}",
    "time_series": "time series {labels} of each of {files} files",
    "RangeGraph": "range graphs",
    "cummulative_histograms": "cumulative histograms",
    "visualization": "views",
}


def writes_series(cfg: Mapping[str, Any]) -> bool:
    """Whether digitalmodel writes time series for this configuration."""
    settings = cfg.get("time_series_settings")
    return flagged(cfg, "time_series") and isinstance(settings, Mapping) and bool(settings.get("data"))


def is_asked(cfg: Mapping[str, Any], output: str) -> bool:
    """Whether an output with groups is written."""
    return writes_series(cfg) if output == "time_series" else flagged(cfg, output)


def visits_files(cfg: Mapping[str, Any]) -> bool:
    """Whether digitalmodel loads the files at all: something is asked for that comes from them one by one."""
    return any(flagged(cfg, output) for output in DATA_OUTPUTS)


def flagged(cfg: Mapping[str, Any], output: str) -> bool:
    """Whether `orcaflex.postprocess.<output>.flag` is on."""
    section = cfg["orcaflex"]["postprocess"].get(output) or {}
    return bool(section.get("flag"))


def groups(cfg: Mapping[str, Any], settings: str) -> Sequence[dict[str, Any]]:
    """The groups of `summary_settings` or another settings section, each a table; none where it is of another kind.

    Nobody refuses a section that is not switched on, whatever stands there.
    """
    section = cfg.get(settings)
    found = section.get("groups") if isinstance(section, Mapping) else None
    return found if isinstance(found, Sequence) and all(isinstance(group, Mapping) for group in found) else ()


def group_labels(cfg: Mapping[str, Any], output: str) -> list[str]:
    """The labels of an output's groups, one each; a group without one has its master's, masters merged or not."""
    settings = SETTINGS_OF[output]
    own, masters = groups(cfg, settings), groups(cfg, f"{settings}_master")
    below = [*masters, *({} for _ in own)]
    return [str(group.get("Label", master.get("Label"))) for group, master in zip(own, below, strict=False)]


def table_stems(cfg: Mapping[str, Any], files: Iterable[str]) -> dict[str, list[str]]:
    """What stands before the labels in the names of tables, by output, in the order in which they are written.

    Names of linked statistics never hold the start time.

    Args:
        cfg: the configuration.
        files: the `.sim` files' names, without their suffix.
    """
    name, over = (str(cfg["Analysis"].get(key)) for key in ("file_name", "file_name_for_overwrite"))
    return {"time_series": list(files), "summary": [name], "linked_statistics": [over]}


def common_tables(cfg: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Summaries and linked statistics that are asked for: what each is called, and its file below the result folder.

    A label may lead into another folder.
    """
    stems, summaries = table_stems(cfg, ()), list[str]()
    if flagged(cfg, "summary"):
        summaries = list(dict.fromkeys(group_labels(cfg, "summary")))
        yield from ((label, f"{stem}_{label}.csv") for stem in stems["summary"] for label in summaries)
    if flagged(cfg, "linked_statistics"):
        for label in dict.fromkeys(group_labels(cfg, "linked_statistics")):
            yield from ((linked_name(label, summaries), f"{stem}_{label}.csv") for stem in stems["linked_statistics"])


def linked_name(label: str, summaries: Collection[str]) -> str:
    """What linked statistics are called beside summaries of these labels: neither may stand in the other's place."""
    return f"{label} ({WORDS['linked_statistics']})" if label in summaries else label


def columns(cfg: Mapping[str, Any], settings: str) -> Iterator[dict[str, Any]]:
    """All columns of all groups of a settings section, in order."""
    for group in groups(cfg, settings):
        yield from group.get("Columns") or ()


def labels(cfg: Mapping[str, Any], settings: str) -> frozenset[str]:
    """The labels of all columns of a settings section."""
    return frozenset(str(column.get("Label")) for column in columns(cfg, settings))


def said_of(column: Mapping[str, Any]) -> str:
    """A column in words: its label, and what it asks for where."""
    label = str(column.get("Label"))
    variable = column.get("Variable")
    what = [column.get("ObjectName"), *(variable if isinstance(variable, list) else [variable])]
    asked = ", ".join(str(each) for each in what if each)
    return f"{label} ({asked})" if asked else label


def writes(cfg: Mapping[str, Any], files: int) -> Iterator[str]:
    """What a configuration asks digitalmodel to write, in words."""
    for output, words in _WRITTEN.items():
        if not is_asked(cfg, output):
            continue
        named = [str(group.get("Label")) for group in groups(cfg, SETTINGS_OF[output])] if output in SETTINGS_OF else []
        yield words.format(labels=", ".join(named) or "without groups", files=files)
