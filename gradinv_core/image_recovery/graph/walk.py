"""The walk in reverse over a network's graph, from the last layer down to its stem (our derivation).

At every edge two things are wanted: the loss gradient delta, which adds up over whoever takes the value, and the value
itself, which the weight gradients of the layers that read it give away. delta needs no value but for the slopes of
activations, and a slope needs the value right above: one pass over the nodes, last to first, finds both. Residual
connections only add a gradient that is known already; a convolution on the short cut adds its rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from gradinv_core.image_recovery.graph.account import Misfit
from gradinv_core.image_recovery.graph.picture_search import PictureSearch
from gradinv_core.image_recovery.graph.structure import Plan
from gradinv_core.image_recovery.graph.walker import Walker
from gradinv_core.image_recovery.result import LayerRecovery, OnStep, Step, Stop
from gradinv_core.image_recovery.stopping import StoppedError, ask

__all__ = ["Walked", "walk"]


@dataclass(frozen=True)
class Walked:
    """How far the walk came.

    Attributes:
        bottom: index of the node where it ended: the plan's, or the deepest that is known exactly.
        value: output of that node, in its shape; None where no layer reads it.
        std: standard deviations of its entries.
        delta: gradient there.
        steps: the feature, and what every layer reads, in the order in which they were found.
        layers: what each layer gave.
        misfits: of each layer.
        active: by name of the ReLU's node, (channels, positions) which of its units handed the gradient on.
        flipped: units whose first guess was wrong, and was put right.
        stopped: whether it was stopped before it reached the bottom.
        hinged: whether a layer with hardly an equation to spare was passed on the way.
        why: it ended above the plan's bottom, in a sentence; empty where it did not.
    """

    bottom: int
    value: torch.Tensor | None
    std: torch.Tensor | None
    delta: torch.Tensor | None
    steps: tuple[Step, ...]
    layers: tuple[LayerRecovery, ...]
    misfits: tuple[Misfit, ...]
    active: Mapping[str, torch.Tensor]
    flipped: int
    stopped: bool
    hinged: bool
    why: str = ""


def walk(
    plan: Plan,
    gradients: Mapping[str, torch.Tensor],
    feature: torch.Tensor,
    feature_std: torch.Tensor,
    residual: torch.Tensor,
    noise_std: float = 0.0,
    noise_share: float = 0.0,
    factor_std: float = 0.0,
    search: PictureSearch | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> Walked:
    """Walk from the head to the stem.

    Args:
        plan: of the network.
        gradients: ``{parameter name: gradient}``.
        feature: (d,) last-layer feature.
        feature_std: (d,) its standard deviations.
        residual: (C,) ``p - y``.
        noise_std: of the noise added to each gradient entry, 0 for none.
        noise_share: of the head's gradient that is noise.
        factor_std: relative standard deviation of lambda, which every value grows by.
        search: guesses what max pools inside the network saw; None ends the walk at the first of them.
        on_step: called with each step as it is known.
        stop: asked between and within layers.

    Raises:
        ContradictionError: a layer's gradient contradicts what was handed down.
        NoExactRouteError: a layer's gradient was not sent, none reaches it, or positions under an average cannot be
            told apart.
        ShapeError, NonFiniteError: a gradient has the wrong shape or is not finite.
    """
    walker = Walker(plan, gradients, feature, feature_std, noise_std, noise_share, factor_std, search, on_step, stop)
    walker.delta[plan.head] = residual
    stopped, bottom = False, plan.bottom
    try:
        for index in range(plan.head - 1, plan.bottom - 1, -1):
            ask(stop)
            walker.visit(index)
            if walker.end is not None:
                bottom = walker.end
                break
    except StoppedError:
        stopped = True
    value, std = walker.account.as_computed(bottom) if bottom in walker.values else (None, None)
    return Walked(
        bottom,
        value,
        std,
        None if stopped else walker.delta.get(bottom),
        tuple(walker.account.steps),
        tuple(walker.account.layers),
        tuple(walker.account.misfits),
        {plan.nodes[index].name: gate.active for index, gate in walker.gates.items()},
        walker.flipped,
        stopped,
        walker.hinged,
        walker.why,
    )
