"""Hypothesis without deadlines: the machines that run this are shared, and first calls build tables."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("orcabatch", deadline=None)
settings.load_profile("orcabatch")
