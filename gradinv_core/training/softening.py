"""What torchvision's transforms do to a batch on its way into training: moved, mirrored, mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch.nn import functional

from gradinv_core.torchvision_access import import_torchvision
from gradinv_core.training.plan import TrainingPlan

__all__ = ["Softening", "softening"]

Softening: TypeAlias = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Bytes (B, 3, h, w) and classes (B,) -> what the network is fed, float32 in [0, 1], and labels (B, C)."""

_SHARP = frozenset({"digits", "mnist"})  # a mirrored digit is none
_MOVED = 8  # pictures are moved by up to an eighth of their side


def softening(plan: TrainingPlan, classes: int) -> Softening:
    """The transforms of a plan.

    They draw from PyTorch's global generator, as torchvision's do; whoever calls them seeds it and puts it back.

    Args:
        plan: of the training.
        classes: number of classes C.

    Raises:
        OptionError: torchvision is missing or broken.
    """
    transforms = import_torchvision("transforms.v2", wanted_by="training")
    to_float = transforms.ToDtype(torch.float32, scale=True)
    mix = transforms.MixUp(alpha=plan.alpha, num_classes=classes) if plan.mixes else None

    def soften(images: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if plan.dataset not in _SHARP:
            move = _moving(transforms, images.shape[-1])
            images = torch.stack([move(image) for image in images])  # each its own way
        images = to_float(images)
        if mix is not None:
            mixed: tuple[torch.Tensor, torch.Tensor] = mix(images, targets)
            return mixed
        return images, functional.one_hot(targets, classes).float()

    return soften


def _moving(transforms: Any, size: int) -> Any:
    """Moved by a few pixels, and mirrored every other time."""
    crop = transforms.RandomCrop(size, padding=max(size // _MOVED, 1), padding_mode="reflect")
    return transforms.Compose([crop, transforms.RandomHorizontalFlip()])
