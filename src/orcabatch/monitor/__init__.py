"""See what a batch does and did: monitor, bottlenecks, metrics, progress, dashboard, report.

Everything here consumes events (`orcabatch.engine.contract.RunEvent`) and outcomes (`orcabatch.outcome.FileOutcome`);
nothing here influences the engine. Heavy libraries (rich, matplotlib, pandas) are imported where they are used.

    performance     PerformanceMonitor: the five series, sampled while a batch runs (by `orcabatch.host.sampler`)
    state           what runs now, folded from events: the displays and the integrals stand on it
    bottlenecks     from evidence to a verdict and an advice
    file_costs      what files waited for, sums over them, and the least time a batch could take
    metrics         the metrics JSON; its schema is in `schema`
    displays        how far a run is, and the small displays of it; the large one is in `dashboard`
    display_choice  which of them shows it
    report          one self-contained HTML file from a metrics JSON
    notebook        tables and plots for Jupyter
"""

from orcabatch.monitor.bottlenecks import Bottleneck
from orcabatch.monitor.performance import PerformanceMonitor

__all__ = ["Bottleneck", "PerformanceMonitor"]
