"""What `orcabatch bench` measures on the user's machine. Never imported by the library, but for the example batches.

    suites       the suites by name, and the tour: comparisons (with others), trials (orcabatch alone)
    workloads    what they run on; `peers`: who else does the same work
    measure      contenders over workloads, each in a fresh process (`side`)
    findings     how a suite is run, what it found, and how that is shown
    regression   counts that do not depend on the machine, against recorded ones
    real         the engine in real runs; real_engine, real_work, real_memory and real_cost are its parts
    examples     the example batches, for the demo too

What the engine was tuned by stands in `benchmarks`, beside `src`.
"""
