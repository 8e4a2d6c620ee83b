"""Small residual networks, and what really happened in them."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradinv_core.image_recovery.graph import Node, trace_network


class Block(nn.Module):
    """Two convolutions and a short way; with a convolution of its own where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.act1, self.act2 = activation(), activation()
        self.short: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(value)))))
        return self.act2(out + self.short(value))


class Residual(nn.Module):
    """A stem, three blocks, an average and the head."""

    def __init__(
        self, stem: nn.Module, channels: int, activation: Callable[[], nn.Module] = nn.ReLU, bias: bool = False
    ) -> None:
        super().__init__()
        self.stem = stem
        self.one = Block(channels, channels, 1, activation)
        self.two = Block(channels, channels, 2, activation)
        self.three = Block(channels, 2 * channels, 2, activation)
        self.head = nn.Linear(2 * channels, 10, bias=bias)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        value = self.three(self.two(self.one(self.stem(picture))))
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(value, 1), 1))


@pytest.fixture
def filled() -> Callable[..., nn.Module]:
    """Factory: any network with parameters and statistics that follow from a seed, in evaluation mode."""

    def fill(model: nn.Module, seed: int = 0) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in model.modules():
                if isinstance(module, nn.Conv2d | nn.Linear):
                    for parameter in module.parameters(recurse=False):
                        bound = (3 / module.weight[0].numel()) ** 0.5
                        parameter.uniform_(-bound, bound, generator=generator)
                elif isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_(0, 0.1, generator=generator)
                    module.running_var.uniform_(0.5, 2, generator=generator)
                    module.weight.uniform_(0.5, 1.5, generator=generator)
                    module.bias.normal_(0, 0.1, generator=generator)
        return model.eval()

    return fill


@pytest.fixture
def residual(filled: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Factory: a residual network of 24 channels; ``stem`` is "plain", "bare" (no batch norm) or "pooled"."""

    def build(stem: str = "plain", seed: int = 0, channels: int = 24, **options: object) -> nn.Module:
        activation = options.get("activation", nn.ReLU)
        stems = {
            "plain": (nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), activation()),
            "bare": (nn.Conv2d(3, channels, 3, 1, 1), activation()),
            "pooled": (
                nn.Conv2d(3, channels, 5, 1, 2, bias=False),
                nn.BatchNorm2d(channels),
                activation(),
                nn.MaxPool2d(3, 2, 1),
            ),
        }
        return filled(Residual(nn.Sequential(*stems[stem]), channels, **options), seed)

    return build


@pytest.fixture
def smooth_picture() -> Callable[..., torch.Tensor]:
    """Factory: a picture of smooth parts, as photographs are."""

    def draw(size: int = 8, seed: int = 0) -> torch.Tensor:
        few = torch.rand((1, 3, size // 3, size // 3), generator=torch.Generator().manual_seed(seed))
        return functional.interpolate(few, size=(size, size), mode="bilinear")[0]

    return draw


@pytest.fixture
def true_nodes() -> Callable[..., tuple[list[torch.Tensor], list[torch.Tensor]]]:
    """Output of every node of a network's graph, and the loss gradient there, in float64."""

    def run(
        model: nn.Module, picture: torch.Tensor, label: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        twin = copy.deepcopy(model).double()
        nodes: tuple[Node, ...] = trace_network(twin, tuple(picture.shape))
        values: list[torch.Tensor] = []
        for node in nodes:
            if node.module is None:
                values.append(picture.double()[None].requires_grad_())
            else:
                values.append(node.module(*(values[source].clone() for source in node.inputs)))
            values[-1].retain_grad()
        (-(label.double() * values[-1].log_softmax(1)).sum()).backward()
        return [value.detach()[0] for value in values], [value.grad[0] for value in values]

    return run
