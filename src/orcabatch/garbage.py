"""Large imports without a look for garbage: what they make stays, and looking through it again and again takes long."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """While much is imported; what was made counts as old from then on, which the next looks do not go through.

    Does nothing where the caller has switched collecting off.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # of what the caller froze, nothing is to be thawed
            gc.freeze()
            gc.unfreeze()  # into the oldest generation
        gc.enable()
