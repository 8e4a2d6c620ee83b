"""Which entry of every window a max pool inside the network took, proven by the gradient below it (our derivation).

The loss gradient passes a window through its largest entry alone, and which one that was, the pool's output does not
tell. A guess comes from a picture that the network turns into this output (`picture_search`). Whether it is right, the
convolution below tells: its weight gradient is linear in what it reads, a wrong winner spoils the rows of its own
output channel and no others, and so the input follows from the channels that fit, and the winners of the others are
read off it, as the signs of a ReLU are (`signs`). Too few channels fit where the guess is poor; then a better one is
asked for (`picture_turns`), and winners and input take turns, as below a stem's pool, until enough of them do.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from gradinv_core.image_recovery.graph.reader import Reader
from gradinv_core.image_recovery.graph.row_solver import MISFIT, Rows, solve_rows
from gradinv_core.image_recovery.graph.stem import PooledStem, settle_winners
from gradinv_core.image_recovery.graph.stem.shares import gather_cells, spread_cells
from gradinv_core.image_recovery.result import Stop
from gradinv_core.image_recovery.stopping import ask

__all__ = ["settle_inner_pool"]

_ROUNDS = 6
_TURNS = 25
_CERTAIN, _NEARLY = 0.9, 0.02  # share of its cell at which an entry won; share of cells open at which a proof is tried
_AGREES = 1e-5  # relative misfit of the gradient, at least, at which winners stand; wrong ones miss it by far more
_LEFT = 0.02  # share of the output channels that may misfit in the end: what they hold is left out


def settle_inner_pool(
    stem: PooledStem,
    reader: Reader,
    guess: torch.Tensor,
    better: Callable[[], torch.Tensor],
    rounding: float,
    share: float,
    stop: Stop | None = None,
) -> torch.Tensor | None:
    """The loss gradient at the convolution's output.

    Args:
        stem: what the pool's output says.
        reader: the convolution.
        guess: (channels, height, width) of its input, as `stem` counts it.
        better: makes a better guess, which takes time; asked where the first one does not do.
        rounding: unit roundoff of the gradients.
        share: of the gradients that is noise.
        stop: asked often.

    Returns:
        (outputs, positions), behind whatever stands between convolution and pool; None if the winners cannot be
        settled.

    Raises:
        StoppedError: the work was stopped.
    """
    agrees = max(_AGREES, 100 * rounding, 10 * share)
    settled: list[torch.Tensor] = []
    asked = 0

    def enough(shares: torch.Tensor) -> bool:
        nonlocal asked
        asked += 1
        open_ = (shares.amax(-1) < _CERTAIN) & stem.known
        if asked & (asked - 1) and int(open_.sum()) > _NEARLY * int(stem.known.sum()):
            return False  # a proof costs as much as a turn: tried in turns 1, 2, 4 and so on, and towards the end
        ask(stop)
        found = _proven(stem, reader, shares.argmax(-1), rounding, agrees, stop)
        settled.extend([] if found is None else [found])
        return found is not None

    windows = stem.windows(stem.z(guess), -torch.inf).transpose(1, 2)
    if not enough(windows):
        settle_winners(stem, better(), _TURNS, None, stop, enough)
    return settled[0] if settled else None


def _proven(
    stem: PooledStem, reader: Reader, winners: torch.Tensor, rounding: float, agrees: float, stop: Stop | None
) -> torch.Tensor | None:
    """The gradient (outputs, positions) if these winners (outputs, cells), with some put right, explain the layer's."""
    inside = (stem.cells < stem.positions).T
    wanted = stem.gradient.reshape(len(winners), reader.channels, -1).transpose(1, 2)[:, reader.seen]
    for _ in range(_ROUNDS):
        taken = torch.nn.functional.one_hot(winners, len(stem.cells)) * stem.delta[..., None]
        dz = spread_cells(stem, taken.to(stem.delta))
        solution = solve_rows([Rows(reader.rows(dz)[:, reader.seen], wanted)], rounding, stop)
        bad = solution.misfits[0] > MISFIT
        if solution.relative[0] > agrees:
            return None
        if not bool(bad.any()):
            return dz
        patches = reader.patches(solution.value).flatten(0, 1)
        if patches.shape[0] < patches.shape[1]:
            break
        there = torch.linalg.lstsq(patches, stem.gradient[bad].T, driver="gelsy").solution.T
        cells = gather_cells(stem, there) * stem.delta[bad].sign()[..., None]
        again = cells.masked_fill(~inside, -torch.inf).argmax(-1)
        again = torch.where(stem.known[bad], again, winners[bad])
        if torch.equal(again, winners[bad]):
            break
        winners[bad] = again
    return dz if float(bad.double().mean()) <= _LEFT else None
