"""One self-contained HTML file from a metrics JSON: readable offline, without JavaScript, printed, in the dark.

    metrics (and an earlier run's) ──> sections ──> page ──> text

Covers the report. Does not cover what is measured (`orcabatch.monitor.metrics`) nor how a verdict is reached
(`orcabatch.monitor.bottlenecks`). Built from Python functions that escape every text they are given, instead of a
template language: that needs no further dependency, and there is no place where escaping can be forgotten.
"""

from orcabatch.monitor.report.page import read_metrics, render_report, write_report

__all__ = ["read_metrics", "render_report", "write_report"]
