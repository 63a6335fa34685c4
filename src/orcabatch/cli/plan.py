"""`orcabatch plan FILE.yml ... [--write SECTION.yml]`: what `run` would do, and why."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from orcabatch.batch.named_files import SIM
from orcabatch.batch.planning import plan_of
from orcabatch.cli.run import request_of, understood
from orcabatch.errors import SourceError
from orcabatch.store.paths import what_cannot_be_read_is_said
from orcabatch.text import utf8
from orcabatch.win32 import as_opened, is_there

if TYPE_CHECKING:
    from orcabatch.batch.request import Request

HEAD = (
    "# Written by `orcabatch plan --write` for {source}, with what earlier runs taught on this host:\n{said}"
    "# It takes the place of the section `performance:` there.\n"
)


def main(words: list[str]) -> int:
    """Print the plan; runs nothing, and writes nothing but the section that `--write` names."""
    arguments, files, overrides = understood("plan", words)
    request = request_of(files, arguments, overrides)
    plan = plan_of(request)
    print(plan.to_text(shutil.get_terminal_size((100, 24)).columns))
    if arguments.write:
        with what_cannot_be_read_is_said():
            print(write_tuned(files, arguments.write, request))
    return 0


def write_tuned(files: list[Path], target: Path, request: Request) -> str:
    """Write the `performance:` section with what was learned; says what changed. The YAML stays as it is.

    Raises:
        SourceError: the target exists, several YAMLs are named, or nothing was learned.
    """
    import yaml

    from orcabatch.batch.planning import learned_for
    from orcabatch.host import ResourceManager
    from orcabatch.plan.history import tuned_section
    from orcabatch.store.atomic import write_bytes

    source = _only(files, target)
    learned = learned_for(request, ResourceManager().measure())
    if not learned.records:
        raise SourceError(f"nothing was learned yet of {source.name} on this host: run it once, then write its plan")
    is_yaml = as_opened(source).is_file() and source.suffix.lower() != SIM
    content = (yaml.safe_load(as_opened(source).read_text(encoding="utf-8")) if is_yaml else None) or {}
    section, said = tuned_section(content.get("performance"), request.settings, learned)
    lines = "".join(f"#   {line}\n" for line in said or ["nothing that the YAML does not say already"])
    text = HEAD.format(source=source.name, said=lines) + yaml.safe_dump(
        {"performance": section}, sort_keys=False, allow_unicode=True
    )
    write_bytes(target, utf8(text))
    return "\n".join([f"written: {target.absolute()}", *(f"- {line}" for line in said)])


def _only(files: list[Path], target: Path) -> Path:
    """The one YAML to start from."""
    if len(files) != 1:
        raise SourceError("name one YAML file with --write: each gets a section of its own")
    if is_there(target):
        raise SourceError(f"{target} exists already, and --write never changes a file: name a new one")
    return files[0]
