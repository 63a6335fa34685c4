"""What becomes of the mistakes in a digitalmodel configuration: refused, said, or not looked for.

`performance: check` decides; where it does not, whoever asks (`Options.check`): the commands are strict, calls from
scripts only warn, because a script that works today goes on working. Strict needs a digitalmodel whose sources were
tested: what another one makes of a mistake is not known. What is wrong is found by
`check_configuration`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orcabatch.digitalmodel.check import CheckFinding, check_configuration, proven
from orcabatch.digitalmodel.native import is_inside_router
from orcabatch.digitalmodel.source_code import find_source_code
from orcabatch.errors import SettingsError
from orcabatch.notice import CHECK_MARK

if TYPE_CHECKING:
    from orcabatch.digitalmodel.configuration import Configuration
    from orcabatch.settings import Settings

ALL_THE_SAME = "`check: warn` in its `performance:` section, or performance.check=warn behind it, runs it all the same."
_FILES = "file_management"


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found in one configuration.

    Attributes:
        findings: in the order of the YAML.
        strict: whether proven mistakes are refused.
    """

    findings: tuple[CheckFinding, ...] = ()
    strict: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What is said where nothing is refused."""
        return tuple(f"{CHECK_MARK}{finding}" for finding in self.findings)


def checked(
    cfg: Mapping[str, Any],
    settings: Settings,
    default: str,
    *,
    read: Configuration | None = None,
    only_files: bool = False,
) -> Checked:
    """Check a configuration, as its settings say.

    Args:
        cfg: as digitalmodel's post-process takes it.
        settings: its `performance:` section.
        default: what counts where that says nothing about `check`.
        read: the YAML it comes from; None: what the engineer wrote of it cannot be told.
        only_files: a function of the user's computes; only the choice of files is the configuration's.
    """
    mode = settings.check or default
    if mode == "off":
        return Checked()
    sources = find_source_code()
    found = check_configuration(
        cfg,
        asked=read.asked if read is not None else None,
        lines=read.lines if read is not None else None,
        is_merged=is_inside_router(),
        known=sources.words() if sources is not None and not sources.tested else frozenset(),
    )
    if only_files:
        found = tuple(finding for finding in found if _FILES in {finding.path[0], finding.nearest})
    return Checked(found, strict=mode == "strict" and sources is not None and sources.tested)


def refuse(all_checked: Mapping[str, Checked]) -> None:
    """Refuse the call where one of its configurations is checked strictly and has a proven mistake.

    Raises:
        SettingsError: lists everything that was found in those configurations.
    """
    texts = []
    for name, check in all_checked.items():
        wrong = proven(check.findings) if check.strict else ()
        doubtful = [finding for finding in check.findings if finding not in wrong]
        if wrong:
            count = "a mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
            texts.append(f"{name} has {count}; nothing was loaded.\n{_listed(wrong)}")
            texts += [f"This may be meant, and is only said:\n{_listed(doubtful)}"] if doubtful else []
    if texts:
        raise SettingsError("\n".join([*texts, ALL_THE_SAME]))


def _listed(findings: Iterable[CheckFinding]) -> str:
    return "\n".join(f"  {finding}" for finding in findings)
