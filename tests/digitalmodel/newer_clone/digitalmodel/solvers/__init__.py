"""As in the clone."""
