"""Two networks with max pools, written as classes with a ``forward``, the way most people's networks are."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

__all__ = ["MnistExample", "SmallVgg"]


class MnistExample(nn.Module):
    """Images (N, 3, 32, 32) to log-probabilities (N, classes).

    PyTorch's own first example (github.com/pytorch/examples, mnist/main.py) line for line, but for pictures in colour.

    Args:
        classes: number of classes.
        head_bias: whether the last layer has a bias.
    """

    def __init__(self, classes: int, *, head_bias: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(64 * 14 * 14, 128)
        self.fc2 = nn.Linear(128, classes, bias=head_bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Log-probabilities (N, classes); a softmax leaves them as they are, so they serve as logits."""
        x = self.conv1(x)
        x = functional.relu(x)
        x = self.conv2(x)
        x = functional.relu(x)
        x = functional.max_pool2d(x, 2)
        x = self.dropout1(x)
        x = torch.flatten(x, 1)
        x = self.fc1(x)
        x = functional.relu(x)
        x = self.dropout2(x)
        x = self.fc2(x)
        return functional.log_softmax(x, dim=1)


class SmallVgg(nn.Module):
    """Images (N, 3, 32, 32) to logits (N, classes): the first three stages of VGG-11 with half of its channels.

    Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015.

    Args:
        classes: number of classes.
        head_bias: whether the last layer has a bias.
    """

    def __init__(self, classes: int, *, head_bias: bool = False) -> None:
        super().__init__()
        self.features = nn.Sequential(*_stage(3, 32), *_stage(32, 64), *_stage(64, 128, 128))
        self.classifier = nn.Sequential(
            nn.Linear(128 * 4 * 4, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, classes, bias=head_bias)
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes)."""
        maps = self.features(images)
        logits: torch.Tensor = self.classifier(maps.view(maps.size(0), -1))
        return logits


def _stage(*channels: int) -> list[nn.Module]:
    """3x3 convolutions with ReLU, one for every further number of channels, then a max pool that halves the sides."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(channels):
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
    return [*layers, nn.MaxPool2d(2)]
