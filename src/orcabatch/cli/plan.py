"""`orcabatch plan FILE.yml ...`: what `run` would do, and why."""

from __future__ import annotations

import shutil

from orcabatch.batch.run import plan_of
from orcabatch.cli.run import request_of, understood


def main(words: list[str]) -> int:
    """Print the plan; runs nothing, writes nothing."""
    arguments, files, overrides = understood("plan", words)
    plan = plan_of(request_of(files, arguments, overrides))
    print(plan.to_text(shutil.get_terminal_size((100, 24)).columns))
    return 0
