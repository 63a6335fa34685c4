"""What files that a process works on at the same time share without saying so; reached by an import in a function."""

from __future__ import annotations

import threading

FOUND: list[str] = []
TWO = threading.Barrier(2)
