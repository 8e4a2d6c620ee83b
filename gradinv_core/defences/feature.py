"""Perturbing the representation: the features that say most about the image leave the head's gradient.

Soteria (Sun et al., CVPR 2021, "Provable Defense against Privacy Leakage in Federated Learning from Representation
Perspective") changes as few features r_j as possible so that the image explaining them moves as far as possible. To
first order feature j moves it by ``|r_j| / |d r_j / d image|``. The paper zeroes the features of largest such value,
hence of smallest ``|d r_j / d image| / |r_j|``, in the gradient of the layer behind them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from gradinv_core.defences.announced import Announced
from gradinv_core.defences.defence import Defence, DefenceContext, check_share, share_count
from gradinv_core.errors import OptionError
from gradinv_core.images import check_image
from gradinv_core.twin import private_twin

__all__ = ["PerturbFeature", "feature_sensitivity"]

_ROWS_AT_ONCE = 64  # copies of the image in one backward pass


@dataclass(frozen=True)
class PerturbFeature(Defence):
    """Zero the columns of the head's weight gradient whose features say most about the image.

    The bias gradient is left alone, because it does not depend on the features.

    Attributes:
        share: of the features whose columns are zeroed, in (0, 1), rounded to the nearest count; at least one is
            zeroed and at least one kept.

    Raises:
        OptionError: ``share`` is out of range.
    """

    share: float
    name: ClassVar[str] = "perturb feature"
    needs_head: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_share(self.share, self.name, "features")

    def apply(self, gradients: Mapping[str, torch.Tensor], context: DefenceContext) -> dict[str, torch.Tensor]:
        """The gradients, the head's weight gradient without the chosen columns.

        Raises:
            OptionError: the context holds no image.
        """
        if context.image is None:
            raise OptionError(
                "perturb feature: expected the training image, got None; this defence differentiates the features by "
                "it, so pass image to apply_defences."
            )
        kept = {name: gradient.clone() for name, gradient in gradients.items()}
        if context.head_weight in kept:
            head = context.head_weight.rpartition(".")[0]
            feature, slope = feature_sensitivity(context.model, head, context.image)
            # A feature that is zero loses nothing by being zeroed, so it comes last whatever its slope.
            ratio = torch.where(feature == 0, torch.inf, slope / torch.where(feature == 0, 1.0, feature.abs()))
            chosen = ratio.sort(stable=True).indices[: share_count(self.share, len(ratio))]
            kept[context.head_weight][:, chosen.to(kept[context.head_weight].device)] = 0
        return kept

    def announce(self, announced: Announced, clip_norm: float | None) -> None:  # noqa: ARG002
        """A typical size, and no bound, of what the missing columns weighed."""
        announced.perturbed, announced.lengthless = self.share, True
        columns = announced.gradients.get(announced.head_weight)
        if columns is not None:
            announced.add_energy(float(columns.double().square().sum()) * 2 * self.share / (1 - self.share))


def feature_sensitivity(model: nn.Module, head: str, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The head's input, and how strongly each of its entries follows the image.

    Args:
        model: any network that maps (N, 3, h, w) to logits (N, C) and treats the N images independently.
        head: name of its last fully connected layer.
        image: (3, h, w).

    Returns:
        feature (d,) and the L2 norms (d,) of its derivatives by the image, float64.
    """
    twin = private_twin(model)
    seen: list[torch.Tensor] = []
    twin.get_submodule(head).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    single = check_image(image).to(next(twin.parameters()))[None]
    with torch.no_grad():
        twin(single)
    feature = seen.pop()[0].detach()
    slopes = []
    for entries in torch.arange(len(feature), device=feature.device).split(_ROWS_AT_ONCE):
        # One copy of the image per feature: one backward pass then differentiates them all, each by its own copy.
        copies = single.repeat(len(entries), 1, 1, 1).requires_grad_(True)
        with torch.enable_grad():
            twin(copies)
            wanted = seen.pop().gather(1, entries[:, None]).sum()
        slopes.append(torch.autograd.grad(wanted, copies)[0].flatten(1).norm(dim=1))
    return feature.double().cpu(), torch.cat(slopes).double().cpu()
