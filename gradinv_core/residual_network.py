"""A residual network of any width, written out; with 64 channels it is torchvision's ResNet-18, name for name.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ResidualNetwork"]


class _Block(nn.Module):
    """Two 3x3 convolutions, and what came in is added to what they make of it."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Module = nn.Identity()
        if stride > 1 or before != after:  # the sum needs one shape
            shrink = nn.Conv2d(before, after, kernel_size=1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shrink, nn.BatchNorm2d(after))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        """(N, before, height, width) to (N, after, height / stride, width / stride)."""
        branch = self.relu(self.bn1(self.conv1(value)))
        branch = self.bn2(self.conv2(branch))
        result: torch.Tensor = self.relu(branch + self.downsample(value))
        return result


class ResidualNetwork(nn.Module):
    """Images (N, 3, height, width) to logits (N, classes), in four stages of two blocks.

    Args:
        classes: number of classes.
        head_bias: whether the last layer has a bias.
        width: channels of the first stage; each further one has twice as many, at half the height and width.
    """

    def __init__(self, classes: int, *, head_bias: bool = False, width: int = 32) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(width, width, 1)
        self.layer2 = _stage(width, 2 * width, 2)
        self.layer3 = _stage(2 * width, 4 * width, 2)
        self.layer4 = _stage(4 * width, 8 * width, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * width, classes, bias=head_bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, classes)."""
        value = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        value = self.layer4(self.layer3(self.layer2(self.layer1(value))))
        logits: torch.Tensor = self.fc(torch.flatten(self.avgpool(value), 1))
        return logits


def _stage(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Block(before, after, stride), _Block(after, after, 1))
