"""A configuration is checked before it computes: what digitalmodel would not read, fail on, or overwrite in silence.

    YAML ── lines ──────────────────────────────┐
    asked, cfg ── shapes ── effective columns ──┴─> keys, values, labels ──> findings ──> refused, or said

Everything is a pure function of the configuration; no `.sim` is opened and digitalmodel is not imported. Names of
objects and variables are checked once a file is loaded (`orcabatch.digitalmodel.missing`). What becomes of findings is
decided in `orcabatch.digitalmodel.check.policy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orcabatch.digitalmodel.check.columns import column_faults
from orcabatch.digitalmodel.check.effective import Group, effective_groups
from orcabatch.digitalmodel.check.finding import CheckFinding, placed, proven
from orcabatch.digitalmodel.check.keys import key_faults, twice_faults
from orcabatch.digitalmodel.check.labels import label_faults, name_faults
from orcabatch.digitalmodel.check.lines import YamlLines, lines_of
from orcabatch.digitalmodel.check.masters import other_masters
from orcabatch.digitalmodel.check.sections import computes, shape_faults, value_faults
from orcabatch.digitalmodel.outputs import SETTINGS_OF

__all__ = ["CheckFinding", "YamlLines", "check_configuration", "lines_of", "proven"]


def check_configuration(
    cfg: Mapping[str, Any],
    *,
    asked: Mapping[str, Any] | None = None,
    lines: YamlLines | None = None,
    is_merged: bool = False,
    known: frozenset[str] = frozenset(),
) -> tuple[CheckFinding, ...]:
    """Everything that looks wrong in a configuration, in the order of the YAML.

    Args:
        cfg: as digitalmodel's post-process takes it: defaults below, folders and files known.
        asked: what of it the engineer wrote; None: that cannot be told, all of it.
        lines: where it stands in the YAML.
        is_merged: its masters were merged already.
        known: more words that the digitalmodel in use may read (`vocabulary.words_of`).
    """
    groups: dict[str, tuple[Group, ...]] = {}
    findings: list[CheckFinding] = []
    for section in SETTINGS_OF.values():
        shapes = shape_faults(cfg, section, is_merged=is_merged)
        findings += shapes
        if not shapes and computes(cfg, section):
            groups[section] = effective_groups(cfg, section, is_merged=is_merged)
            findings += () if is_merged else other_masters(cfg, section)
    findings += key_faults(cfg if asked is None else asked, cfg, groups, known)
    findings += twice_faults(lines or YamlLines(), cfg)
    findings += value_faults(cfg)
    findings += _in_groups(groups)
    findings += name_faults(cfg, groups)
    return placed(findings, lines or YamlLines())


def _in_groups(groups: Mapping[str, tuple[Group, ...]]) -> Iterator[CheckFinding]:
    for section, found in groups.items():
        yield from label_faults(section, found)
        for group in found:
            for column in group.columns:
                for fault in column_faults(section, column):
                    place = group.place_of(column)
                    yield CheckFinding(column.key(fault.key), place, fault.problem, fault.nearest, proven=fault.proven)
