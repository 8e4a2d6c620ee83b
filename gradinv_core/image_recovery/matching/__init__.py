"""Gradient matching: search for the image whose gradient is the observed one. Front door: `match_gradients`."""

from gradinv_core.image_recovery.matching.front_door import match_gradients
from gradinv_core.image_recovery.matching.options import MatchingOptions
from gradinv_core.image_recovery.matching.result import MatchResult

__all__ = ["MatchResult", "MatchingOptions", "match_gradients"]
