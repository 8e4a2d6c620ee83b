"""Features that the layer below passes on: they settle directions which zeros alone leave open (our derivation).

The gradient of the layer below spans its own inputs ``h_k``, and ``relu(V h_k)`` has to be one of the head's features.
With the active units given that is linear: the space of ``diag(active) V h`` and the head's row space have a direction
in common, the one whose principal angle is zero. So a guess of the active units gives a direction, the direction tells
its active units, and a guess that confirms itself is a feature: of a mixture ``V (h_1 + c h_2)`` every unit that is
active for one sample and silent for the other is cut differently than the head's row space allows.

The test can fail in two ways. Two samples with the very same active units may be mixed at will: then a second angle is
zero, too. And where the head has few live units, two spaces meet by chance: then too few equations are left over.
Nothing needs zeros of its own: all units that differ between any two samples speak for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import solve_triangular

from gradinv_core.arrays import Array
from gradinv_core.batch_recovery.direction import Direction, same
from gradinv_core.batch_recovery.directions import OnProgress, Search, Stop
from gradinv_core.batch_recovery.layer_below import LayerBelow
from gradinv_core.batch_recovery.row_space import RowSpace, rows_below

__all__ = ["Passage", "passed_features"]

_STALE = 100  # guesses without a new feature after which there is none to expect
_STEPS = 30  # from a guess to one that confirms itself
_EXCESS = 5.0  # times the noise that the smallest angle may reach
_SHARP = 1e-3  # noise over the second angle: how far a feature may turn towards another
_SPARE = 3  # equations beyond those that two spaces of this size can meet by chance


class Passage:
    """The way from the layer below into the head.

    Attributes:
        head: the head's row space.
        lower: the row space of the layer below.
        weight: (e, m) its weights; with biases on both sides a last row carries their constant on.
        spanned: (e, K) what passes each of the lower directions on.
        held: (e, K) orthonormal, what the head's row space holds of it.
    """

    def __init__(self, head: RowSpace, lower: RowSpace, layer: LayerBelow) -> None:
        self.head, self.lower = head, lower
        units, inputs = layer.weight.shape
        carries = layer.biased and head.basis.shape[1] > units
        self.weight: Array = np.vstack([layer.weight, np.eye(1, inputs, inputs - 1)]) if carries else layer.weight
        self.spanned = self.weight @ lower.basis.T
        self._basis = head.basis[:, : len(self.weight)]
        self.held: Array = np.linalg.qr(self._basis.T)[0]
        self.live = head.live[: len(self.weight)]

    def guess(self, rng: np.random.Generator) -> np.ndarray:
        """(e,) units that a random mixture would make active."""
        return self.spanned @ rng.standard_normal(self.lower.size) > 0

    def follow(self, active: np.ndarray) -> Direction | None:
        """The feature that a guess of the active units leads to; None where it leads to none.

        Args:
            active: (e,) the guess.
        """
        for _ in range(_STEPS):
            if active.sum() < self.head.size:
                return None
            directions, triangle = np.linalg.qr(np.where(active[:, None], self.spanned, 0.0))
            if np.abs(np.diag(triangle)).min() <= np.finfo(float).eps * np.abs(triangle).max():
                return None
            outside = directions - self.held @ (self.held.T @ directions)
            _, sines, turns = np.linalg.svd(outside, full_matrices=False)
            mixture = solve_triangular(triangle, turns[-1])
            values = self.spanned @ mixture
            if values[active].sum() < 0:
                mixture, values = -mixture, -values
            if np.array_equal(values > 0, active):
                return self._judged(active, mixture, sines, self._confirmed(directions))
            active = values > 0
        return None

    def lift(self, below: Direction) -> Direction | None:
        """The feature that a proven direction of the layer below gives; None where the head does not hold it.

        Args:
            below: in the lower row space.
        """
        values = self.spanned @ below.coefficients
        active = values > 0
        length = float(np.linalg.norm(values[active]))
        if length <= _SHARP * float(np.linalg.norm(values)):
            return None
        feature = values * active / length
        coefficients = self._in_the_head(feature)
        turn = float((self.weight**2 @ below.std**2)[active].sum()) ** 0.5 / length
        noise = float(np.hypot(turn, self._noise(active, below.coefficients / length, coefficients)))
        if noise > _SHARP or np.linalg.norm(feature - coefficients @ self._basis) > _EXCESS * noise:
            return None
        return self._direction(active, coefficients, noise, True)

    def _confirmed(self, directions: Array) -> float:
        """How much of the second angle is left, in the worst case, where one unit is not asked.

        Args:
            directions: (e, K) orthonormal, what the layer below can give with these units active.
        """
        system = np.linalg.svd(np.hstack([directions, -self.held]), full_matrices=False)[0][:, :-1]
        return float(np.sqrt(max(1 - np.square(system).sum(1).max(), 0.0)))

    def _judged(self, active: np.ndarray, mixture: Array, sines: Array, confirmed: float) -> Direction | None:
        """The direction of a guess that confirmed itself; None where noise may have turned it into another.

        Args:
            active: (e,) its units.
            mixture: (K,) of the lower directions, for a feature of length one.
            sines: (K,) of the angles between both spaces, the smallest last.
            confirmed: how much of the next one is left whichever unit is not asked.
        """
        if sines[-1] > _EXCESS * _SHARP * sines[-2]:  # no noise explains it; of wide layers that is dear to work out
            return None
        coefficients = self._in_the_head(self.spanned @ mixture * active)
        noise = self._noise(active, mixture, coefficients)
        if sines[-1] > _EXCESS * noise or noise > _SHARP * sines[-2]:
            return None
        proven = noise <= _SHARP * sines[-2] * confirmed and int(self.live.sum()) >= 2 * self.head.size - 1 + _SPARE
        return self._direction(active, coefficients, noise / sines[-2], proven)

    def _in_the_head(self, feature: Array) -> Array:
        """(K,) coefficients in the head's basis that come closest to a feature (e,)."""
        return np.asarray(np.linalg.lstsq(self._basis.T, feature, rcond=None)[0], dtype=float)

    def _noise(self, active: np.ndarray, mixture: Array, coefficients: Array) -> float:
        """By how much noise moves a feature of length one: that of the layer below, passed on, and the head's own."""
        inputs = mixture @ self.lower.basis
        variance = self.lower.std_of(mixture) ** 2 + (self.lower.rounding * inputs) ** 2
        passed = float((self.weight**2 @ variance)[active].sum())
        return (passed + float(np.square(self.head.std_of(coefficients)[: len(active)]).sum())) ** 0.5

    def _direction(self, active: np.ndarray, coefficients: Array, turn: float, proven: bool) -> Direction:
        """A direction of the head's row space.

        Args:
            active: (e,) its units.
            coefficients: (K,) in the head's basis, of a feature of length one.
            turn: by how much noise may turn it towards another.
            proven: whether no single unit decides it.
        """
        length = float(np.linalg.norm(coefficients))
        entries, zeros = coefficients @ self.head.basis, self.head.live.copy()
        entries[: len(active)] *= active
        zeros[: len(active)] &= ~active
        zeros[len(active) :] = False
        spread = turn / max(int(active.sum()), 1) ** 0.5
        return Direction(
            coefficients=coefficients / length,
            entries=entries / length,
            zeros=zeros,
            std=np.hypot(self.head.std_of(coefficients), spread) / length,
            spare=max(int(zeros.sum()) - (self.head.size - 1), 0),
            leverage=1.0,
            chance=1.0,
            nonnegative=True,
            passed=proven,
        )


def passed_features(
    space: RowSpace,
    layers: Sequence[LayerBelow],
    noise_std: float | None,
    rng: np.random.Generator,
    on_progress: OnProgress | None = None,
    stop: Stop | None = None,
) -> Search:
    """The directions that the layers below settle.

    Args:
        space: the head's row space.
        layers: below the head, from the top down; none of them needed.
        noise_std: of the noise on every entry if it was announced.
        rng: draws the guesses.
        on_progress: called whenever a feature is found.
        stop: asked before every guess.
    """
    if not layers or space.size < 2 or not space.live.any():
        return Search()
    lower = rows_below(layers[0].gradient, space.size, layers[0].rounding, noise_std)
    if lower is None:
        return Search()
    way, found = Passage(space, lower, layers[0]), _Found(space.size, on_progress)
    since, stopped = 0, False
    while not found.complete and since < _STALE:
        if stop is not None and stop():
            return found.search(stopped=True)
        since = 0 if found.add(way.follow(way.guess(rng))) else since + 1
    if not found.complete:  # samples with the same active units here may differ further down
        deeper = passed_features(lower, layers[1:], noise_std, rng, None, stop)
        for direction in deeper.proven:
            found.add(way.lift(direction))
        stopped = deeper.stopped
    return found.search(stopped)


class _Found:
    """The directions found so far, each once."""

    def __init__(self, size: int, on_progress: OnProgress | None) -> None:
        self.size, self.on_progress = size, on_progress
        self.proven: list[Direction] = []
        self.unproven: list[Direction] = []

    @property
    def complete(self) -> bool:
        """Whether there are as many as the row space has dimensions."""
        return len(self.proven) == self.size

    def add(self, direction: Direction | None) -> bool:
        """Take a direction in; whether it was new."""
        if direction is None or self.complete or any(same(direction, known) for known in self.proven):
            return False
        if direction.proven:
            self.proven.append(direction)
            if self.on_progress is not None:
                self.on_progress(len(self.proven), self.size)
            return True
        new = not any(same(direction, known) for known in self.unproven)
        if new:
            self.unproven.append(direction)
        return new

    def search(self, stopped: bool) -> Search:
        """All of them."""
        return Search(tuple(self.proven), tuple(self.unproven), stopped=stopped)
