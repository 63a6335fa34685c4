"""The words that digitalmodel's post-process understands, level by level.

Built from its sources (0.0.9, and newer clones, which read the same). `read` are keys that decide what comes out: a
misspelt one changes a batch in silence. `idle` are keys that it accepts and ignores, or that only describe: real YAMLs
are full of them. A test compares the table with the installed sources. Does not cover values (`columns`, `sections`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orcabatch.digitalmodel.outputs import FILE, FILE_STEM, OUTPUTS, SECTIONS, SETTINGS_OF, STATISTIC, STATISTICS

HISTORY, RANGE = "TimeHistory", "Range Graph"
STATIC, DATA = ("Static Result", "StaticResult"), ("GetData", "Get Data")
COMMANDS = (HISTORY, RANGE, *STATIC, *DATA)
COLUMN_STATISTICS = ("Max", "Min", "Mean")
PERIODS = ("WholeSimulation", "StaticState", "LatestWave")
ENDS = ("End A", "End B", "Touchdown")
SECTION = "Section"
RADIAL = ("Inner", "Outer")

OWN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "summary": (
        FILE,
        FILE_STEM,
        "run_status",
        "start_time",
        "stop_time",
        "description",
        STATISTIC,
    ),
    "linked_statistics": (),  # a label is a row's there
    "time_series": ("time",),
}
"""What digitalmodel itself puts into a table; a column of that label replaces it."""
KEPT_EMPTY = frozenset({"description", "statistic"})
"""Those of a summary that it leaves empty."""


@dataclass(frozen=True, slots=True)
class KeyLevel:
    """The keys of one kind of section.

    Attributes:
        read: those that decide what comes out.
        idle: those that are accepted and change nothing.
        closed: nobody has a reason to put a key of his own here: an unknown one is worth a word.
    """

    read: frozenset[str]
    idle: frozenset[str] = frozenset()
    closed: bool = False


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOTES = _words("description Description comment Comment comments note Note notes Notes unit Unit units Units")
_ANY = _words(
    "ObjectName Variable Label SimulationPeriod objectExtra ArcLength Position SupportIndex RadialPos Theta Location"
)
_SUMMARY = _words("Command Statistic_Type transform")
_OLD = _words("SummaryFileName inject_into directory filename_pattern")
_TOP = frozenset(
    [
        *("basename", "meta", "default", "file_management", "orcaflex", "parameters"),
        *(name for section in SETTINGS_OF.values() for name in (section, f"{section}_master")),
    ]
)


def _output(idle: str = "") -> KeyLevel:
    return KeyLevel(frozenset({"flag", "csv_decimal"}), _words(idle) | _NOTES | {"statistics"}, closed=True)


def _groups(section: str) -> dict[str, KeyLevel]:
    """The levels of a section with groups; its master has the same."""
    column = KeyLevel(_ANY | _SUMMARY, _NOTES | _OLD | {"ObjectType"}, closed=True)
    levels = {
        section: KeyLevel(
            frozenset({"groups", "data"}),
            _words(
                "histogram summation statistics csv_decimal label Label AddMinimumToSummary AddMaximumToSummary "
                "AddMeanToSummary AddStdDevToSummary"
            )
            | _NOTES,
        ),
        f"{section}.groups[]": KeyLevel(frozenset({"Label", "Columns"}), _NOTES | _OLD, closed=True),
        f"{section}.groups[].Columns[]": column,
    }
    return levels | {name.replace(section, f"{section}_master", 1): level for name, level in levels.items()}


LEVELS: Mapping[str, KeyLevel] = {
    "": KeyLevel(_TOP, SECTIONS - _TOP),
    "meta": KeyLevel(_words("basename label"), _words("library description version title author date")),
    "default": KeyLevel(frozenset({"config"}), _words("log_level Analysis rain_flow")),
    "default.config": KeyLevel(frozenset({"overwrite"})),
    "default.config.overwrite": KeyLevel(frozenset({"output"})),
    "file_management": KeyLevel(
        _words("flag input_directory output_directory filename input_files"), _words("update_unfinished files")
    ),
    "file_management.filename": KeyLevel(_words("extension pattern filters"), _NOTES, closed=True),
    "file_management.filename.filters": KeyLevel(
        _words("contains not_contains min_size_kb max_size_kb regex"), _NOTES, closed=True
    ),
    "parameters": KeyLevel(frozenset({"VarNames"})),
    "orcaflex": KeyLevel(frozenset({"postprocess"}), _words("preprocess analysis file iterate")),
    "orcaflex.postprocess": KeyLevel(
        frozenset({*OUTPUTS, "all_vars"}), _words("RAOs rain_flow cumulative_histograms fatigue"), closed=True
    ),
    **{f"orcaflex.postprocess.{output}": _output() for output in OUTPUTS},
    "orcaflex.postprocess.summary": KeyLevel(
        frozenset({"flag", "csv_decimal", "statistics"}), _words("min max mean") | _NOTES, closed=True
    ),
    "orcaflex.postprocess.all_vars": KeyLevel(frozenset({"flag"})),
    "orcaflex.postprocess.RangeGraph": _output("add_effective_tension_to_cfg"),
    "orcaflex.postprocess.cummulative_histograms": _output("bins range"),
    "orcaflex.postprocess.visualization": _output("settings"),
    "orcaflex.postprocess.summary.statistics": KeyLevel(frozenset(STATISTICS), closed=True),
    **{name: level for section in SETTINGS_OF.values() for name, level in _groups(section).items()},
}
"""By path; `[]` stands for each item of a list."""


_TEXT = re.compile(r"""(['"])([A-Za-z][\w ]*)\1""")


def words_of(sources: Iterable[Path]) -> frozenset[str]:
    """Every short text in these Python sources: an untested clone may read keys that stand in no table here."""
    texts = (source.read_text(encoding="utf-8", errors="replace") for source in sources)
    return frozenset(word for text in texts for _, word in _TEXT.findall(text))
