"""What runs in the fresh processes of a benchmark. Started by path, never imported by orcabatch."""
