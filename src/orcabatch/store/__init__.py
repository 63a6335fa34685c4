"""What stays on disk: atomic output files, locks, the ledger of finished work, and the comparison of result folders.

Does not cover what is in the outputs (the post-process decides) nor when they are written (the engine decides).
"""
