"""Is there nothing to do? Asked before digitalmodel is imported.

Makes the batch as for planning, looks every file up in the ledger, and gives a batch that only has to be handed out.
Where anything is missing, changed or in doubt the answer is None, and the call goes its usual way.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orcabatch.batch.earlier import earlier_runs
from orcabatch.batch.job import visits
from orcabatch.digitalmodel.batch import DigitalModelBatch
from orcabatch.digitalmodel.checks import check_folder
from orcabatch.digitalmodel.finished import FinishedBatch
from orcabatch.digitalmodel.layout import open_gate
from orcabatch.digitalmodel.sources import find_sources
from orcabatch.orcaflex.binding import find_binding
from orcabatch.store.ledger import ledger_file

if TYPE_CHECKING:
    from orcabatch.settings import Settings


def finished_batch(
    cfg: MutableMapping[str, Any], settings: Settings, warn: Callable[[str], None]
) -> FinishedBatch | None:
    """The batch, if earlier runs did all of it and nothing has changed since; None where something is to be done.

    Raises:
        SettingsError, OutputError: as `DigitalModelBatch.from_cfg`.
        OrcaFlexUnavailable: OrcFxAPI, whose version decides, cannot be used.
    """
    sources = find_sources()
    if sources is None or not settings.ledger.enabled or not Path(ledger_file(settings.ledger.path)).exists():
        return None
    batch = DigitalModelBatch.from_cfg(cfg, settings=settings, planning=True)
    check_folder(cfg)
    binding = find_binding(settings.orcaflex)
    if sources.has_gate:
        open_gate()
    own = {batch.name: settings}
    earlier = earlier_runs([batch], visits([batch]), own, settings, binding, fresh=False, warn=warn)
    with earlier.opened():
        earlier.look()
        known = earlier.known(batch)
        conclusion = None if known is None else earlier.conclusion(batch, known)
    if known is None or conclusion is None:
        return None
    try:
        return FinishedBatch(batch, conclusion, known)
    except (KeyError, TypeError, ValueError):
        return None
