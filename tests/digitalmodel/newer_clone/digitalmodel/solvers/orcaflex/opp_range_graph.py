"""Range graphs by name only."""
