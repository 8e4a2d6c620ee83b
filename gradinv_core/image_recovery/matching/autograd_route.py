"""The objective by automatic differentiation, for any network.

With D a distance of gradients and v = dD/dg, the derivative of D by the image is that of the number <g, v> with v held
fixed. So the graph ends at the gradient g: the distance itself and its derivative are written out in `distance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import nn

from gradinv_core.image_recovery.matching.attention import is_about_attention, written_out_attention
from gradinv_core.image_recovery.matching.distance import Distance
from gradinv_core.image_recovery.matching.inner_inputs import KnownInput, watch_inputs
from gradinv_core.image_recovery.matching.objective import Candidate, Slope
from gradinv_core.image_recovery.matching.observed import ObservedGradient
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["AutogradRoute", "leaves_of", "slopes_by"]


class AutogradRoute:
    """Gradient distance and known-input terms of any network, by two passes of autograd."""

    name = "autograd"

    def __init__(
        self,
        twin: nn.Module,
        observed: ObservedGradient,
        label: torch.Tensor | None,
        distance: Distance | None,
        inputs: Sequence[KnownInput],
        training: TrainingLoss = CROSS_ENTROPY,
    ) -> None:
        """Prepare the twin.

        Args:
            twin: private copy of the network, as from `private_twin`.
            observed: the gradient to match.
            label: (C,) label; None when it is learned.
            distance: of gradients; None to match the known inputs alone.
            inputs: known inputs of layers that are used once per pass.
            training: the loss whose gradient was observed.
        """
        self._twin = twin
        self._parameters = [twin.get_parameter(name) for name in observed.shapes]
        self._observed = observed
        self._label = None if label is None else label.to(observed.direction)
        self._distance, self._training = distance, training
        self._inputs = tuple(inputs)
        self._vector = torch.empty_like(observed.direction)  # the gradient, then the distance's derivative by it
        self._written_out = False  # whether attention is computed so that it can be differentiated twice
        self._seen = watch_inputs(twin, self._inputs)

    def evaluate(self, candidate: Candidate) -> Slope:
        """Loss and derivative at the candidate."""
        try:
            return self._evaluate(candidate)
        except RuntimeError as error:
            if self._written_out or not is_about_attention(error):
                raise
        self._written_out = True
        return self._evaluate(candidate)

    def _evaluate(self, candidate: Candidate) -> Slope:
        with torch.enable_grad():
            leaves = leaves_of(candidate)
            outputs, directions, loss = self._terms(leaves)
            slopes = slopes_by(leaves, outputs, directions)
        self._seen.clear()
        return Slope(loss, slopes[0], slopes[1] if len(slopes) > 1 else None)

    def _terms(self, leaves: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor], float]:
        """Every quantity the loss depends on, the loss's derivative by it, and the loss."""
        with written_out_attention() if self._written_out else nullcontext():
            logits = self._twin(leaves[0][None])[0]
        outputs: list[torch.Tensor] = []
        directions: list[torch.Tensor] = []
        loss = 0.0
        for known in self._inputs:
            seen = self._seen[known.layer]
            value, direction = known.misfit(seen.detach())
            loss += value
            outputs.append(seen)
            directions.append(direction)
        if self._distance is not None:
            label = Candidate(leaves[0], leaves[1] if len(leaves) > 1 else None).label(self._label)
            entropy = self._training(logits[None], label[None])
            gradients = torch.autograd.grad(
                entropy, self._parameters, create_graph=True, allow_unused=True, materialize_grads=True
            )
            torch.cat([gradient.detach().reshape(-1) for gradient in gradients], out=self._vector)
            loss += self._distance(self._vector, self._observed.direction, self._observed.size, self._vector)
            outputs += gradients
            directions += self._observed.split(self._vector)
        return outputs, directions, loss


def leaves_of(candidate: Candidate) -> list[torch.Tensor]:
    """What is differentiated by: the image and, where the label is learned, its logits; of one candidate or a stack."""
    values = [candidate.image] if candidate.logits is None else [candidate.image, candidate.logits]
    return [value.detach().requires_grad_(True) for value in values]


def slopes_by(
    leaves: Sequence[torch.Tensor], outputs: Sequence[torch.Tensor], directions: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """Derivative by each leaf of the sum of ``<output, direction>`` with fixed directions; zeros if none depends."""
    live = [(output, way) for output, way in zip(outputs, directions, strict=True) if output.requires_grad]
    if not live:
        return tuple(torch.zeros_like(leaf) for leaf in leaves)
    return torch.autograd.grad(
        [output for output, _ in live],
        leaves,
        [way for _, way in live],
        allow_unused=True,
        materialize_grads=True,
    )
