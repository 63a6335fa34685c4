"""A request after what `orcabatch doctor --sim` found out on this host: what relies on a broken assumption is off.

Where the doctor was never asked nothing is looked up, and OrcFxAPI is not imported for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orcabatch.doctor.follow import followed
from orcabatch.doctor.verdicts import broken_assumptions, verdicts_file
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.orcaflex.binding import find_binding

if TYPE_CHECKING:
    from orcabatch.batch.request import Request


def careful(request: Request) -> Request:
    """The request with the settings that the verdicts leave, and a note for each that is followed."""
    if not verdicts_file().exists():
        return request
    try:
        binding = find_binding(request.settings.orcaflex)
    except OrcaFlexUnavailable:
        return request  # a run says so itself, a plan does without
    if not binding.is_genuine:
        return request
    moves = all(batch.moves_unasked for batch in request.batches)
    after = followed(request.settings, broken_assumptions(binding), moves=moves)
    return replace(
        request,
        settings=after.settings,
        notes=(*request.notes, *after.notes),
        memory_factor=after.memory_factor,
    )
