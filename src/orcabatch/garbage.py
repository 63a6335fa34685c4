"""Large imports without a look for garbage: what they make stays, and looking through it again and again takes long."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """While much is imported; what was made counts as old from then on, which the next looks do not go through.

    Nothing does where all was there already: of what is young then nobody knows that it stays. Does nothing where the
    caller has switched collecting off.
    """
    if not gc.isenabled():
        yield
        return
    there = len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) != there and not gc.get_freeze_count():  # of what the caller froze, nothing is to be thawed
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        gc.enable()
