"""The ledger: what runs before this one found out, kept in one SQLite file of the user's.

    location       where it is (the state folder of the user, never a network share), and how it looks from outside
    schema         its tables, their version, and how older ones are brought up to date; rows: what one row holds
    interface      what goes in and comes out; `LedgerStore`, what a run asks of one
    sqlite_ledger  `open_ledger`: results, facts and history, checked on reading, bounded in size
    flusher        flushing it to the disk, many commits at a time

Results are answers that may be forgotten; the history of durations and memory stays when they go. Nothing that is
wrong with the file ends a run or gives a wrong result: a damaged one is set aside and a new one begun, an unusable one
is left out, and both are said. Does not know what a result is (`orcabatch.store.values` makes bytes of it) nor what it
depends on (`orcabatch.batch.result_cache` makes the keys).
"""

from orcabatch.store.ledger.interface import Entry, FileHistory, LedgerStore, NoLedger, Past
from orcabatch.store.ledger.location import LedgerDescription, describe_ledger, has_ledger, ledger_file, network_share
from orcabatch.store.ledger.sqlite_ledger import open_ledger

__all__ = [
    "Entry",
    "FileHistory",
    "LedgerDescription",
    "LedgerStore",
    "NoLedger",
    "Past",
    "describe_ledger",
    "has_ledger",
    "ledger_file",
    "network_share",
    "open_ledger",
]
