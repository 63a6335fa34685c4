"""One file of a real size: really written, really read, really held."""

from __future__ import annotations

import pytest

import orcabatch
from batch_functions import largest_tension
from capabilities import needs
from orcabatch import simulated


@pytest.mark.slow
@needs("resource")
def test_a_file_above_500_mb_is_large_and_is_read_to_the_last_byte(orcaflex, tmp_path):
    """The tier is that of the specification; the DLL counts every byte; the process really held it."""
    import resource

    spec = simulated.SimSpec(objects=simulated.mooring_objects(26), size_bytes=520_000_000)
    file = simulated.write_sim(tmp_path / "large.sim", spec)
    result = orcabatch.run_batch([file], postprocess=largest_tension, orcaflex="simulated", progress=False)
    assert result.ok
    assert result.outcomes[0].tier == "large"
    assert file.stat().st_size == 520_000_000
    assert orcaflex.counters.bytes_loaded >= 500_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > 500_000_000
