"""Workers of dask.distributed, on this machine or on others: the executor, its cluster, what runs there, and where."""
