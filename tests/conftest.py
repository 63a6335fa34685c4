"""Hypothesis without deadlines (the machines that run this are shared); each test with a state folder of its own."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("orcabatch", deadline=None)
settings.load_profile("orcabatch")


@pytest.fixture(autouse=True)
def state_folder(tmp_path_factory, monkeypatch):
    """The folder for what runs remember: no test answers for another, none leaves anything with the user."""
    folder = tmp_path_factory.mktemp("state")
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(folder))
    return folder
