"""A picture that the network turns into an activation known exactly: a search with a single backward pass.

Where the exact walk ends, what it knows last says more than the gradient: it is one plain function of the picture, and
nothing has to be differentiated twice. Bounds and smoothness close what it leaves open at first; smoothness fades, as
far as there are equations enough. Mahendran and Vedaldi (2015) searched for pictures with given activations so; here
the activation is that of the client's own sample, for the walk has found it out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from gradinv_core.arrays import Array
from gradinv_core.image_recovery.graph.below import Below
from gradinv_core.image_recovery.graph.picture_polish import Polished, polish
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.result import OnStep, Step, Stop
from gradinv_core.image_recovery.stopping import ask
from gradinv_core.pixels import PixelSpace

__all__ = ["Missed", "PictureSearch"]

Missed = Callable[[torch.Tensor], torch.Tensor]
"""Sum of squares by which a node's output, (channels, height, width) float32, misses what is known, in its noise."""

# Weight of the mean edge length, in units of the activation's relative squared misfit, and rounds of L-BFGS-B.
_FROM_GREY = ((1e-1, 60), (1e-2, 100), (2e-3, 100))
_ONWARDS = ((1e-1, 60), (1e-2, 100), (2e-3, 60))
_ANEW = ((1.0, 60),)  # before the last search: what earlier ones took for edges is smoothed away again
_TO_THE_END = ((2e-4, 200), (2e-5, 300))  # where there are equations to spare
_TO_SPARE = 1.5  # active units for each pixel
_EXPLAINED = 60  # rounds for what is known of two nodes
_ROUNDED_EDGE = 1e-3  # of a pixel's range, below which an edge's length is rounded off
_HISTORY = 20
_TOLERANCE = 1e-12
_TOLD = 25  # rounds between pictures
_TITLE = "A picture that leads to what was found"


class PictureSearch:
    """The picture as far as searches have come; each starts from the last one's.

    Attributes:
        shares: (channels, height, width) float64, from 0 to 1.
        misfit: relative, of the activation searched for last.
        convergence: the misfits told.
    """

    def __init__(self, plan: Plan, space: PixelSpace, on_step: OnStep | None = None, stop: Stop | None = None) -> None:
        self._plan, self._space, self._on_step, self._stop = plan, space, on_step, stop
        self._below: Below | None = None
        self.shares = torch.full(plan.nodes[0].shape, 0.5, dtype=torch.float64)
        self.misfit = torch.inf
        self.convergence: list[float] = []

    def seek(self, index: int, value: torch.Tensor, last: bool = False) -> None:
        """Search for a picture with this output of a node.

        Args:
            index: of the node; later ones must lie below it.
            value: in the node's shape.
            last: whether no exact step follows, so that the search is to go as far as it can.

        Raises:
            StoppedError: the work was stopped; what was found so far stays.
        """
        if self._below is None:
            self._below = Below(self._plan, index, self._space)
        below = self._below
        sought = value.detach().float()[None]
        size = float(sought.square().sum())
        stages: tuple[tuple[float, int], ...] = _ONWARDS if self.convergence else _FROM_GREY
        if last:
            enough = int((sought != 0).sum()) > _TO_SPARE * self.shares.numel()
            stages = (*_ANEW, *_ONWARDS, *(_TO_THE_END if enough else ()))
        for smooth, most in stages:

            def loss(shares: torch.Tensor, smooth: float = smooth) -> torch.Tensor:
                missed = (below.run(shares, index)[index] - sought).square().sum() / size
                self.misfit = float(missed.detach()) ** 0.5
                return missed + smooth * _mean_edge(shares)

            self._minimise(loss, most)
        self._settle(index, sought)
        self._tell()

    def explain(self, index: int, value: torch.Tensor, below: int, missed: Missed) -> None:
        """Search on for a picture that has an output of a node, and also explains what is known of one below.

        Args:
            index: of the node searched for last.
            value: in its shape; it counts by how far the picture now misses it.
            below: index of the other node.
            missed: of its output, in its shape.

        Raises:
            StoppedError: the work was stopped; what was found so far stays.
        """
        sought, network = value.detach().float()[None], self._below
        if network is None:
            raise RuntimeError("expected a search before, found none")
        noise = (self.misfit * sought).square().mean().clamp(min=1e-30)

        def loss(shares: torch.Tensor) -> torch.Tensor:
            values = network.run(shares, index)
            missed_above = (values[index] - sought).square().sum() / noise
            return (missed_above + missed(values[below][0])) / sought.numel()

        self._minimise(loss, _EXPLAINED)
        self._settle(index, sought)
        self._tell()

    def finish(self, index: int, value: torch.Tensor, std: torch.Tensor, factor_std: float) -> Polished | None:
        """Go on from the picture found until it is exact, where it can be; then it has error bars, too.

        Args:
            index: of the node searched for last.
            value: in its shape.
            std: standard deviations of its entries.
            factor_std: relative standard deviation of lambda.

        Raises:
            StoppedError: the work was stopped; what was found so far stays.
        """
        if self._below is None:
            raise RuntimeError("expected a search before, found none")
        single, double = self._below, Below(self._plan, index, self._space, torch.float64)
        found = polish(
            lambda shares: single.run(shares, index)[index][0],
            lambda shares: double.run(shares, index)[index][0],
            value.double(),
            std.double(),
            self.shares,
            factor_std,
            self._stop,
        )
        if found is None:
            return None
        before, misfit = self.shares, self.misfit
        self.shares = found.shares
        self._settle(index, value.detach().float()[None])
        if self.misfit > misfit:
            self.shares, self.misfit = before, misfit
            return None
        self._tell()
        return found

    def output(self, index: int) -> torch.Tensor:
        """What a node below the one searched for last puts out for the picture found, float64, in its shape."""
        if self._below is None:
            raise RuntimeError("expected a search before, found none")
        with torch.no_grad():
            return self._below.run(self.shares, index)[index][0].double()

    def _minimise(self, loss: Callable[[torch.Tensor], torch.Tensor], most: int) -> None:
        from scipy.optimize import minimize

        rounds = 0

        def asked(flat: Array) -> tuple[float, Array]:
            ask(self._stop)
            with torch.inference_mode(False), torch.enable_grad():
                shares = torch.from_numpy(flat).float().reshape(self.shares.shape).requires_grad_()
                total = loss(shares)
                (slope,) = torch.autograd.grad(total, shares)
            return float(total.detach()), slope.double().flatten().numpy()

        def tell(flat: Array) -> None:
            nonlocal rounds
            rounds += 1
            self.shares = torch.from_numpy(flat.copy()).reshape(self.shares.shape)
            if rounds % _TOLD == 0:
                self._tell()

        found = minimize(
            asked,
            self.shares.flatten().numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1.0)] * self.shares.numel(),
            callback=tell,
            options={"maxiter": most, "maxfun": 3 * most, "maxcor": _HISTORY, "ftol": _TOLERANCE, "gtol": 0.0},
        )
        self.shares = torch.from_numpy(found.x.copy()).reshape(self.shares.shape)

    def _settle(self, index: int, sought: torch.Tensor) -> None:
        missed = self.output(index) - sought[0].double()
        self.misfit = float(missed.norm() / sought.double().norm().clamp(min=1e-300))

    def _tell(self) -> None:
        self.convergence.append(self.misfit)
        picture = self._space.from_unit(self.shares.clone())
        if self._on_step is not None:
            self._on_step(Step(_TITLE, picture, None, None, len(self.convergence), self.misfit))


def _mean_edge(shares: torch.Tensor) -> torch.Tensor:
    """Mean length of the steps from pixel to pixel."""
    right = torch.nn.functional.pad(shares[..., 1:] - shares[..., :-1], (0, 1))
    down = torch.nn.functional.pad(shares[..., 1:, :] - shares[..., :-1, :], (0, 0, 0, 1))
    return (right.square() + down.square() + _ROUNDED_EDGE**2).sqrt().mean()
