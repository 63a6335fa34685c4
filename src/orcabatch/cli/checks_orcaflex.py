"""What the doctor says about OrcaFlex: OrcFxAPI, its DLL, whether they belong together, and the licence.

For the licence one empty model is made and destroyed at once, which holds a seat for that moment.
"""

from __future__ import annotations

from collections.abc import Iterator

from orcabatch.cli.checks import Check, Level
from orcabatch.errors import OrcaFlexUnavailable
from orcabatch.orcaflex.binding import Binding, BindingKind, Wanted, find_binding
from orcabatch.orcaflex.failures import LICENCE, status_of
from orcabatch.orcaflex.session import destroy

TOPIC = "OrcaFlex"


def check_orcaflex(wanted: Wanted = "real", *, licence: bool = True) -> Iterator[Check]:
    """OrcFxAPI as a batch would find it; `licence`: whether a seat is taken for a moment."""
    try:
        binding = find_binding(wanted)
    except OrcaFlexUnavailable as error:
        yield Check(TOPIC, str(error), Level.MEND)
        return
    yield _kind(binding)
    if binding.warning:
        yield Check(TOPIC, binding.warning, Level.NOTE)
    if licence and binding.is_genuine:
        yield _licence(binding)
    elif not licence:
        yield Check(TOPIC, "licence: not looked at (--no-licence)", Level.NOTE)


def _kind(binding: Binding) -> Check:
    if binding.kind is BindingKind.FOREIGN:
        where = getattr(binding.module, "__file__", "sys.modules")
        return Check(
            TOPIC,
            f"OrcFxAPI is not the one of OrcaFlex but another module of that name: {where}",
            Level.NOTE,
            "take it out of the Python path unless it is meant",
        )
    versions = f"OrcFxAPI {binding.version or 'of unknown version'}, DLL {binding.dll_version}"
    if binding.kind is BindingKind.SIMULATED:
        return Check(TOPIC, f"simulated: {versions} (invented results, for trying things out)", Level.NOTE)
    return Check(TOPIC, versions)


def _licence(binding: Binding) -> Check:
    try:
        model = binding.module.Model(threadCount=1)
        destroy(binding.module, model)
    except binding.module.DLLError as error:
        text = " ".join(str(error).split())
        if status_of(error) == LICENCE:
            remedy = "see who holds the licences, or whether this computer reaches the licence server"
            return Check(TOPIC, f"no licence: {text}", Level.MEND, remedy)
        return Check(TOPIC, f"no model could be made: {text}", Level.MEND, "start OrcaFlex itself and see what it says")
    return Check(TOPIC, "licence: a seat was free (taken for a moment, given back)")
