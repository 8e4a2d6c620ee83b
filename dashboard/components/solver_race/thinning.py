"""Which frames and which lambdas of a solver's way are worth sending to the browser."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["rounded", "thin_frames", "thin_lambdas"]

Array = npt.NDArray[np.float64]

_DIGITS = 6
_DIGITS_OF_LOSS = 3


def thin_frames(counts: Sequence[int], moves: Sequence[str], most: int) -> list[int]:
    """Indices of at most `most` frames, evenly spread on the logarithmic clock.

    The first and the last frame stay, and so do every new beginning and the frame before it, as long as there is room:
    without them the figure would have particles fly from one range of lambda to another.

    Args:
        counts: evaluations by each frame, ascending and positive.
        moves: how each frame was reached; "restart" is a new beginning.
        most: frames to keep.

    Returns:
        Ascending indices.
    """
    if len(counts) <= most:
        return list(range(len(counts)))
    kept = {0, len(counts) - 1}
    for index, move in enumerate(moves):
        if move == "restart":
            kept |= {index - 1, index}
    clock = np.log(np.asarray(counts, dtype=float))
    spread = max(most - len(kept), 0)
    # Early frames lie further apart than the spread asks for, so several wishes meet in one frame: ask for more.
    for wishes in range(4 * spread, 0, -1):
        asked = np.searchsorted(clock, np.linspace(clock[0], clock[-1], wishes))
        chosen = kept | {int(index) for index in asked}
        if len(chosen) <= most:
            return sorted(chosen)
    beginnings = sorted(kept)
    return [beginnings[place] for place in np.linspace(0, len(beginnings) - 1, most).astype(int)]


def thin_lambdas(losses: Array, most: int, crowd: bool) -> npt.NDArray[np.int64]:
    """Indices of at most `most` lambdas of one frame.

    Args:
        losses: (n,) their losses.
        most: lambdas to keep.
        crowd: whether they are a swarm: then the leader, the one of lowest loss, comes first, and the others are the
            same particles in every frame. Otherwise they are a sweep, thinned evenly.

    Returns:
        Indices, at least one if there is any lambda.
    """
    count = len(losses)
    evenly = np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)) if count else np.zeros(0, dtype=int)
    if not crowd or not count:
        return evenly
    leader = int(np.nan_to_num(losses, nan=np.inf).argmin())
    members = np.unique(np.linspace(0, count - 1, min(count, most - 1)).astype(int))
    return np.concatenate([[leader], members])


def rounded(values: Array, losses: bool = False) -> list[float | None]:
    """Plain numbers of few digits, six for lambdas and three for losses; None for what is not finite."""
    digits = _DIGITS_OF_LOSS if losses else _DIGITS
    return [float(f"{value:.{digits}g}") if np.isfinite(value) else None for value in values.tolist()]
