"""A stand-in for a newer clone of digitalmodel: its names and its habits, a few lines of its own for its code."""

__version__ = "0.1.1"
