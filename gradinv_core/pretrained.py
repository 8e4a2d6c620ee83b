"""torchvision's networks as they were trained on ImageNet, with their own biased last layers.

The weights come from torchvision's address on first use and are kept where PyTorch keeps such files. They are read as
tensors and nothing else: no code in such a file is ever run.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from gradinv_core.errors import OptionError, WeightsUnavailableError
from gradinv_core.torchvision_access import import_torchvision

__all__ = ["IMAGENET", "IMAGENET_CLASSES", "IMAGENET_SIZE", "PRETRAINED", "load_pretrained"]

IMAGENET = "imagenet"
"""The stage of training that these networks are at."""

IMAGENET_CLASSES = 1000
IMAGENET_SIZE = 224
"""Side of the pictures they were trained on, in pixels."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's channels; all of these expect them

PRETRAINED: Mapping[str, str] = MappingProxyType(
    {
        "resnet18": "ResNet-18",
        "resnet50": "ResNet-50",
        "alexnet": "AlexNet",
        "vgg11": "VGG-11",
        "vgg16": "VGG-16",
        "vit_b_16": "Vision transformer B/16",
    }
)
"""torchvision's name of each -> a title for people."""


class Normalise(nn.Module):
    """Takes ImageNet's mean and standard deviation out of pictures (N, 3, h, w) in [0, 1]."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(_STD)[:, None, None], persistent=False)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """What the network was trained to be fed."""
        return (pictures - self.mean) / self.std


def load_pretrained(name: str) -> nn.Module:
    """Build a network with the weights that torchvision gives by default.

    Args:
        name: a key of `PRETRAINED`.

    Returns:
        The network in evaluation mode, fed pictures (N, 3, 224, 224) in [0, 1] like all others; it has 1,000 classes
        and a bias in its last layer.

    Raises:
        OptionError: unknown name, or torchvision is missing or broken.
        WeightsUnavailableError: the weights have to be downloaded, and that failed; or what lies in their place is no
            file of theirs.
    """
    if name not in PRETRAINED:
        raise OptionError(f"network: expected one of {', '.join(PRETRAINED)} with stage {IMAGENET!r}, got {name!r}.")
    models = import_torchvision("models", wanted_by=f"network {name}")
    weights = models.get_model_weights(name).DEFAULT
    with torch.device("meta"):  # its first weights would be drawn from the global generator, and thrown away
        model: nn.Module = models.get_model(name, weights=None)
    try:
        state: dict[str, Any] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        model.load_state_dict(state, assign=True)
    except (OSError, RuntimeError, EOFError, AttributeError, TypeError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsUnavailableError(
            f"weights of {name}: expected torchvision's file {weights.url.rpartition('/')[2]} or a connection to "
            f"download it, got neither ({reason}); connect this machine to the internet once, or choose stage "
            f"'untrained'."
        ) from error
    return nn.Sequential(Normalise(), model).eval()
