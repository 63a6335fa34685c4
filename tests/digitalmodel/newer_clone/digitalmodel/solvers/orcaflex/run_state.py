"""Habit: only models in these states are post-processed."""

STATICS_COMPLETE_STATES = frozenset({"InStaticState", "SimulationStopped"})
