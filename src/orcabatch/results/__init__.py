"""What comes out of a batch, for whoever goes on with it: one table, load cases, the governing file, figures, files.

    outcomes ── table ──> rows ──> save, arrays, governing        names ── cases ──> columns of every table

Knows outcomes and values, and nothing of how they were computed.
"""
