"""Training augmentations that soften the label: each changes the image and the label together.

What the client feeds its network is the *augmented* image, so that is what an attacker can hope to see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

import numpy as np
import torch

from gradinv_core.errors import LabelError, OptionError, ShapeError
from gradinv_core.images import check_image
from gradinv_core.labels import check_fraction, check_soft_label, custom_label, mixup_label, smooth_label

__all__ = ["AUGMENTATIONS", "Augmentation", "AugmentationSpec", "AugmentedSample", "augment"]

_Blend: TypeAlias = Callable[[torch.Tensor, torch.Tensor, float, int], tuple[torch.Tensor, float]]
"""(first image, second image, weight of the first, seed) -> the mixed image, and the first's share of the label."""


@dataclass(frozen=True)
class AugmentationSpec:
    """What a menu needs to know about an augmentation, and how it mixes two images.

    Attributes:
        name: key in `AUGMENTATIONS`.
        title: for people.
        sentence: what the client does.
        smooths: whether it reads `Augmentation.epsilon`.
        blend: mixes two images; None where a second one takes no part.
    """

    name: str
    title: str
    sentence: str
    smooths: bool = False
    blend: _Blend | None = None

    @property
    def mixes(self) -> bool:
        """Whether a second image and its class take part."""
        return self.blend is not None


def _average(first: torch.Tensor, second: torch.Tensor, ratio: float, _: int) -> tuple[torch.Tensor, float]:
    """Mixup (Zhang et al., 2018)."""
    return ratio * first + (1.0 - ratio) * second, ratio


def _paste_rectangle(first: torch.Tensor, second: torch.Tensor, ratio: float, seed: int) -> tuple[torch.Tensor, float]:
    """Replace a rectangle of ``first`` by the same rectangle of ``second``: CutMix (Yun et al., 2019, equation 1).

    The rectangle has the image's aspect ratio and lies fully inside. Pixels are whole, so its area only comes close to
    the share asked for; the label gets the exact area.

    Returns:
        The mixed image and the share of the area that still shows ``first``.
    """
    height, width = first.shape[-2:]
    side = math.sqrt(1.0 - ratio)
    rows, columns = round(height * side), round(width * side)
    rng = np.random.default_rng(seed)
    top = int(rng.integers(0, height - rows + 1))
    left = int(rng.integers(0, width - columns + 1))
    mixed = first.clone()
    patch = (slice(None), slice(top, top + rows), slice(left, left + columns))
    mixed[patch] = second[patch]
    return mixed, 1.0 - (rows * columns) / (height * width)


AUGMENTATIONS: Mapping[str, AugmentationSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            AugmentationSpec(
                "none",
                "none: a hard label",
                "A device trains the network on one picture and tells it exactly one class.",
            ),
            AugmentationSpec(
                "smoothing",
                "label smoothing",
                "A device trains the network on one picture, and gives every class a small share of the label.",
                smooths=True,
            ),
            AugmentationSpec(
                "mixup",
                "mixup",
                "A device blends two pictures, and blends their labels in the same proportion.",
                blend=_average,
            ),
            AugmentationSpec(
                "cutmix",
                "CutMix",
                "A device pastes a piece of one picture into another, and shares the label by area.",
                blend=_paste_rectangle,
            ),
            AugmentationSpec(
                "mixup+smoothing",
                "mixup + smoothing",
                "A device blends two pictures and their labels, then gives every class a small share.",
                smooths=True,
                blend=_average,
            ),
            AugmentationSpec(
                "custom",
                "your own shares",
                "A device trains the network on one picture, with a label that shares its weight as it likes.",
            ),
        )
    }
)
"""Every augmentation by name, in the order of menus."""


@dataclass(frozen=True)
class Augmentation:
    """How a client softens its labels.

    Attributes:
        kind: one of `AUGMENTATIONS`.
        epsilon: label smoothing strength in [0, 1]; read by "smoothing" and "mixup+smoothing".
        ratio: weight of the first image in [0, 1]; read by "mixup", "mixup+smoothing" and "cutmix".
        custom: the label itself, one number per class; read by "custom" and required there.

    Raises:
        OptionError: unknown ``kind``.
        LabelError: ``epsilon`` or ``ratio`` out of range, or a custom label that is missing or off the simplex.
    """

    kind: str = "none"
    epsilon: float = 0.1
    ratio: float = 0.65
    custom: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind not in AUGMENTATIONS:
            raise OptionError(f"augmentation: expected one of {', '.join(AUGMENTATIONS)}, got {self.kind!r}.")
        check_fraction(self.epsilon, "epsilon")
        check_fraction(self.ratio, "ratio")
        if self.custom is not None:
            custom_label(self.custom)
        elif self.kind == "custom":
            raise LabelError("custom label: expected one number per class, got none; pass Augmentation(custom=...).")

    @property
    def needs_partner(self) -> bool:
        """Whether a second image and its class take part."""
        return AUGMENTATIONS[self.kind].mixes


class AugmentedSample(NamedTuple):
    """What goes into the client's network, and the label it is trained towards.

    Attributes:
        image: (3, h, w) float32.
        label: (C,) float64 soft label.
    """

    image: torch.Tensor
    label: torch.Tensor


def augment(
    image: torch.Tensor,
    target: int,
    partner_image: torch.Tensor | None,
    partner_target: int | None,
    classes: int,
    augmentation: Augmentation,
    seed: int = 0,
) -> AugmentedSample:
    """Apply an augmentation to one sample.

    Args:
        image: (3, h, w) image.
        target: its class.
        partner_image: (3, h, w) second image; ignored (may be None) unless ``augmentation.needs_partner``.
        partner_target: class of the second image, likewise.
        classes: number of classes C.
        augmentation: what to do.
        seed: where CutMix puts its rectangle; the other kinds have no chance in them.

    Returns:
        The augmented image and its soft label. The inputs are left as they are.

    Raises:
        ShapeError: an image is not (3, h, w), the partner is missing or of another size, or a custom label does not
            have C entries.
        NonFiniteError: NaN or infinity in an image.
        ClassCountError, LabelError: as in `gradinv_core.labels`.
    """
    spec, first = AUGMENTATIONS[augmentation.kind], check_image(image).to(torch.float32)
    epsilon = augmentation.epsilon if spec.smooths else 0.0
    if spec.name == "custom":
        return AugmentedSample(first.clone(), check_soft_label(augmentation.custom or (), classes))
    if spec.blend is None:
        return AugmentedSample(first.clone(), smooth_label(target, classes, epsilon))
    if partner_image is None or partner_target is None:
        raise ShapeError(
            f"partner: expected a second image and its class for {augmentation.kind}, got none; pass both."
        )
    second = check_image(partner_image, "partner image").to(torch.float32)
    if second.shape != first.shape:
        raise ShapeError(
            f"partner image: expected the shape of the first image {tuple(first.shape)}, got {tuple(second.shape)}; "
            f"resize one of them."
        )
    mixed, share = spec.blend(first, second, augmentation.ratio, seed)
    return AugmentedSample(mixed, mixup_label(target, partner_target, classes, share, epsilon))
