"""The exports of the simulated DLL. Importing this package registers them all in `base.FUNCTIONS`.

`hot`: the small, frequent ones. `models`, `objects`, `histories`, `ranges`, `system`: the others, and what answers 47.
`base`: how one is written. `wanted`: which variable, place and samples a question means.
"""

from orcabatch.simulated.exports import histories, hot, models, objects, ranges, system
from orcabatch.simulated.exports.base import FUNCTIONS

__all__ = ["FUNCTIONS", "histories", "hot", "models", "objects", "ranges", "system"]
