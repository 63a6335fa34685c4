"""`python -m orcabatch` is `orcabatch`."""

from __future__ import annotations

import sys

from orcabatch.cli import main

sys.exit(main())
