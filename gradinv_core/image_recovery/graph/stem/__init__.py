"""The picture behind a convolution, an activation and a max pool, from the pooled map and the gradient there.

Two steps: `search` looks for a picture that the pooled map allows; `settle_winners` finds out which entry of every
window the pool took, and from there on all is linear.
"""

from gradinv_core.image_recovery.graph.stem.front_door import StemAnswer, recover_picture
from gradinv_core.image_recovery.graph.stem.pooled import PooledStem, pooled_stem
from gradinv_core.image_recovery.graph.stem.search import search
from gradinv_core.image_recovery.graph.stem.shares import first_spread, likely_winners
from gradinv_core.image_recovery.graph.stem.winners import settle_winners

__all__ = [
    "PooledStem",
    "StemAnswer",
    "first_spread",
    "likely_winners",
    "pooled_stem",
    "recover_picture",
    "search",
    "settle_winners",
]
