"""Writes docs/reference/settings.md anew from the settings' models: `python tools/settings_page.py`."""

from __future__ import annotations

from pathlib import Path

from orcabatch.settings.reference import settings_reference

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "settings.md"

HEAD = """# Settings

All settings stand in an optional `performance:` section of the digitalmodel YAML; for a plain function the same keys go
to `run_batch(..., performance={...})`. A key that is left out has its default. A wrong key or value is one error that
lists all faults with the nearest right key; nothing is run.

```yaml
performance:
  threading: {max_threads: 20}
  memory: {max_usage_percent: 70}
  licences: {max: 8}
```

Sizes are written as `100MB` or `1.5 GB` (powers of ten; `MiB` is there too), durations as seconds or `10 min`. Where
several batches run in one call, the strictest of their limits counts for all.

This page is generated from the models: `python tools/settings_page.py`.

"""


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(HEAD + settings_reference(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
