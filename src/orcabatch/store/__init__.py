"""What stays on disk: atomic output files, locks, the ledger of finished work, and the comparison of result folders.

    atomic           files that appear whole or not at all; `write_behind`: their text, while it waits
    lock             one batch per result folder; `failed_files`: the table that says which files have no result
    ledger           what earlier runs found out
    values           results as bytes and back; frames (pandas'), storable (what cannot be stored, what is damaged)
    code             what a function is, in an exact form
    compare          whether two result folders are identical; `compare_tables`: where two tables differ
    paths            what is one path

Does not cover what is in the outputs (the post-process decides) nor when they are written (the engine decides).
"""
