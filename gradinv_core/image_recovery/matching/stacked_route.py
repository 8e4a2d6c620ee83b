"""Many candidates at once, for any network: one forward and two backward passes over the stack of them.

The gradient of one image alone, `torch.func.grad`, is taken along the stack by `torch.func.vmap`: in evaluation mode no
image of a stack knows of the others, so each has the gradient it would have alone. From there on it is `AutogradRoute`:
the derivative by the images is that of ``<g, v>`` with v held fixed.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import nn

from gradinv_core.image_recovery.matching.attention import is_about_attention, written_out_attention
from gradinv_core.image_recovery.matching.autograd_route import leaves_of, slopes_by
from gradinv_core.image_recovery.matching.inner_inputs import KnownInput, watch_inputs
from gradinv_core.image_recovery.matching.objective import Candidate, StackedSlope
from gradinv_core.image_recovery.matching.observed import ObservedGradient
from gradinv_core.image_recovery.matching.stacked_distance import STACKED_DISTANCES
from gradinv_core.losses import CROSS_ENTROPY, TrainingLoss

__all__ = ["StackedRoute"]

_SLOW = "There is a performance drop"  # how PyTorch warns of a layer that it takes image by image, for want of a rule


class StackedRoute:
    """Gradient distances and known-input terms of N candidates at once; the twin of `AutogradRoute`."""

    name = "stacked"

    def __init__(
        self,
        twin: nn.Module,
        observed: ObservedGradient,
        label: torch.Tensor | None,
        distance: str,
        inputs: Sequence[KnownInput],
        training: TrainingLoss = CROSS_ENTROPY,
    ) -> None:
        """Prepare the twin.

        Args:
            twin: private copy of the network, as from `private_twin`.
            observed: the gradient to match.
            label: (C,) label; None when it is learned.
            distance: a key of `STACKED_DISTANCES`.
            inputs: known inputs of layers that are used once per pass.
            training: the loss whose gradient was observed.
        """
        self._twin, self._observed, self._training = twin, observed, training
        self._distance = STACKED_DISTANCES[distance]
        self._label = None if label is None else label.to(observed.direction)
        self._inputs = tuple(inputs)
        self._matched: dict[str, torch.Tensor] = {name: twin.get_parameter(name) for name in observed.shapes}
        matched = {id(parameter) for parameter in self._matched.values()}
        self._rest: dict[str, torch.Tensor] = dict(twin.named_buffers())
        self._rest |= {name: value for name, value in twin.named_parameters() if id(value) not in matched}
        self._written_out = False  # as in `AutogradRoute`
        self._seen = watch_inputs(twin, self._inputs)
        self._along = torch.func.vmap(torch.func.grad(self._loss, has_aux=True), in_dims=(None, 0, 0))

    def evaluate(self, candidate: Candidate) -> StackedSlope:
        """Losses and derivatives of a stack: its image is (N, channels, height, width), its logits (N, C) or None."""
        with torch.enable_grad(), written_out_attention() if self._written_out else nullcontext():
            leaves = leaves_of(candidate)
            images = leaves[0]
            labels = torch.softmax(leaves[1], 1) if self._label is None else self._label.expand(len(images), -1)
            parts, seen = self._along(self._matched, images, labels)
            outputs = [parts[name].flatten(1) for name in self._matched]
            vectors = torch.cat([output.detach() for output in outputs], 1)
            loss, slopes = self._distance(vectors, self._observed.direction, self._observed.size)
            directions = list(slopes.split([output.shape[1] for output in outputs], 1))
            for known in self._inputs:
                there = seen[known.layer].flatten(1)
                terms, ways = known.misfits(there.detach())
                loss = loss + terms
                outputs.append(there)
                directions.append(ways)
            found = slopes_by(leaves, outputs, directions)
        return StackedSlope(loss, *found)

    def can(self, candidate: Candidate) -> bool:
        """Whether every layer can be taken along the stack: tried, for nothing else tells of a network of anybody's."""
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", _SLOW)
                self.evaluate(candidate)
        except UserWarning:
            return False
        except RuntimeError as error:
            if self._written_out or not is_about_attention(error):
                return False
            self._written_out = True
            return self.can(candidate)
        return True

    def _loss(
        self, matched: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Training loss of one image, and what its known layers were fed."""
        logits = torch.func.functional_call(self._twin, (matched, self._rest), (image[None],))
        return self._training(logits, label[None]), {known.layer: self._seen.pop(known.layer) for known in self._inputs}
