"""What the page says of the head's gradient as it was sent."""

from dashboard.claims.claim import Claim, Kind
from dashboard.drawing.number_text import plain

__all__ = ["RANK_ONE", "pattern", "whose"]

_ONE_PATTERN = 0.1  # share of the gradient outside rank one from which the eye sees that rows differ
_COLOURS = "Blue is positive, brown negative; colours exaggerate small ones."

RANK_ONE = (
    "The gradient of one sample is one direction: class residual times feature. So is that of several samples that the "
    "network cannot tell apart. What is left over is rounding, or was added."
)
"""A truth of the mathematics, whatever was sent."""


def pattern(outside: float) -> Claim:
    """The caption under the map.

    Args:
        outside: what the best outer product misses of the gradient, relative to the whole.
    """
    if outside < _ONE_PATTERN:
        text = f"Every row is nearly the same pattern, only scaled: it misses {plain(100 * outside, 2)} %. {_COLOURS}"
        return Claim(Kind.ONE_PATTERN, text, {"outside": outside})
    return Claim(Kind.MANY_PATTERNS, f"{_COLOURS} The rows do not share one pattern.", {"outside": outside})


def whose(pictures: int) -> str:
    """Whose gradient it is, where more than one picture was trained on."""
    return (
        f"The gradient is that of {pictures} pictures at once. Where the server takes them for one, its "
        f"answer is compared with their average. The first is above; the other{'s' if pictures > 2 else ''}:"
    )
