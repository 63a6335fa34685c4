"""One server that forks the batches, for all tests of faults."""

from __future__ import annotations

import os
import sys

import pytest

pytest.importorskip("digitalmodel", reason="needs digitalmodel itself: install orcabatch[digitalmodel]")
if not hasattr(os, "fork") or sys.platform == "darwin":
    pytest.skip("the faults are injected with POSIX signals and forks of a large process", allow_module_level=True)


@pytest.fixture(scope="session")
def server():
    from faults.harness import Server

    server = Server()
    yield server
    server.close()
