"""Networks to attack, built the same way from the same seed everywhere.

All of them eat images (N, 3, image_size, image_size) with values in [0, 1] and answer with logits (N, C).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import nn

from gradinv_core.arrays import is_number
from gradinv_core.errors import ClassCountError, OptionError
from gradinv_core.head import find_head, observe_head
from gradinv_core.pooled_networks import MnistExample, SmallVgg
from gradinv_core.residual_network import ResidualNetwork
from gradinv_core.torchvision_access import import_torchvision
from gradinv_core.vision_transformer import VisionTransformer

__all__ = [
    "INITIALISATIONS",
    "NETWORKS",
    "NetworkSpec",
    "build_network",
    "find_head",
    "observe_head",
]

INITIALISATIONS = ("pytorch", "uniform")
_LARGEST_CLASS_COUNT = 100_000
_TOKEN_STD = 0.02  # of positions and class tokens before training, as vision transformers draw them


@dataclass(frozen=True)
class NetworkSpec:
    """What a menu needs to know about a network.

    Attributes:
        name: key in `NETWORKS`.
        title: for people.
        description: one sentence.
        why_it_leaks: one sentence on what in its architecture gives an input away, or keeps it.
        image_size: side of the square images it expects, in pixels.
        has_batch_norm: whether it has such layers.
    """

    name: str
    title: str
    description: str
    why_it_leaks: str
    image_size: int
    has_batch_norm: bool = False


def _fully_connected(classes: int, head_bias: bool, widths: tuple[int, ...]) -> nn.Sequential:
    """Flatten, then bias-free linear layers with ReLU between them."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in itertools.pairwise(widths):
        layers += [nn.Linear(inputs, outputs, bias=False), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes, bias=head_bias))


def _lenet(classes: int, head_bias: bool, activation: Callable[[], nn.Module]) -> nn.Sequential:
    """Three 5x5 convolutions of 12 channels, 32x32 -> 16x16 -> 8x8 -> 8x8, then the head on 12 * 8 * 8 = 768."""
    layers: list[nn.Module] = []
    for channels, stride in ((3, 2), (12, 2), (12, 1)):
        layers += [nn.Conv2d(channels, 12, kernel_size=5, stride=stride, padding=2), activation()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(768, classes, bias=head_bias))


def _torchvision(classes: int, head_bias: bool, architecture: str) -> nn.Module:
    """A torchvision architecture without its pretrained weights; only the head is ours."""
    models = import_torchvision("models", wanted_by=f"network {architecture}")
    model: nn.Module = getattr(models, architecture)(weights=None)
    name = find_head(model)
    features = model.get_parameter(f"{name}.weight").shape[1]
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, nn.Linear(features, classes, bias=head_bias))
    return model


_Builder = Callable[[int, bool], nn.Module]

_PRODUCTS = (
    "A fully connected layer's gradient is one product: of what went in, and of what it did to the loss; whoever knows "
    "one of the two reads off the other."
)
_BACKWARDS = (
    "Its activation can be read backwards, so two systems of equations speak of each layer's input: what came out of "
    "the layer, and its weights' gradient."
)
_SKIPS = (
    "A skip only adds, so it hands the gradient on unharmed, and the weights of every block hold more equations than "
    "its input has unknowns; just the max pool at the front drops something."
)
_BOTTLENECKS = (
    "A skip only adds, so it hands the gradient on unharmed; but the narrow convolutions between, one pixel wide, hold "
    "fewer equations than those of smaller residual networks."
)
_POSITIONS = (
    "Every patch has a learned position, whose gradient is that of its patch alone: attention and all the layers above "
    "need not be undone."
)


def _residual(architecture: str, title: str, size: int, description: str, why: str) -> tuple[NetworkSpec, _Builder]:
    """One of torchvision's residual networks; 64 pixels are the size that goes without saying."""
    name, named = (architecture, title) if size == 64 else (f"{architecture}_{size}", f"{title}, {size} x {size}")
    spec = NetworkSpec(name, named, description, why, size, has_batch_norm=True)
    return spec, lambda classes, head_bias: _torchvision(classes, head_bias, architecture)


_CATALOGUE: tuple[tuple[NetworkSpec, _Builder], ...] = (
    (
        NetworkSpec("fcn4", "Fully connected, 4 layers", "The paper's network for exact images.", _PRODUCTS, 64),
        lambda classes, head_bias: _fully_connected(classes, head_bias, (3 * 64 * 64, 4096, 1024, 256)),
    ),
    (
        NetworkSpec(
            "fcn_small", "Fully connected, small", "Three layers; untrained, or trained on digits.", _PRODUCTS, 32
        ),
        lambda classes, head_bias: _fully_connected(classes, head_bias, (3 * 32 * 32, 64, 48)),
    ),
    (
        NetworkSpec(
            "lenet_sigmoid",
            "LeNet, sigmoid",
            "The classic target; untrained, or trained on digits.",
            _BACKWARDS,
            32,
        ),
        lambda classes, head_bias: _lenet(classes, head_bias, nn.Sigmoid),
    ),
    (
        NetworkSpec("lenet_tanh", "LeNet, tanh", "Invertible activation with both signs.", _BACKWARDS, 32),
        lambda classes, head_bias: _lenet(classes, head_bias, nn.Tanh),
    ),
    (
        NetworkSpec("lenet_leaky_relu", "LeNet, leaky ReLU", "Invertible, but with a kink.", _BACKWARDS, 32),
        lambda classes, head_bias: _lenet(classes, head_bias, nn.LeakyReLU),
    ),
    (
        NetworkSpec(
            "lenet_relu",
            "LeNet, ReLU",
            "Half of the signs are lost; bounds and smoothness help out.",
            "A silent unit says only that its input was below zero, and hands no gradient on: the equations of those "
            "that spoke have to do, and what they leave open is filled in by what pictures are like.",
            32,
        ),
        lambda classes, head_bias: _lenet(classes, head_bias, nn.ReLU),
    ),
    (
        NetworkSpec(
            "mnist_example",
            "PyTorch's MNIST example",
            "Two convolutions, a max pool, dropout and two linear layers, on pictures in colour.",
            "Its first linear layer holds nearly all weights and hands over what the max pool let through; the pool "
            "drops three entries of every four.",
            32,
        ),
        lambda classes, head_bias: MnistExample(classes, head_bias=head_bias),
    ),
    (
        NetworkSpec(
            "vgg_small",
            "VGG, small",
            "A max pool after every stage of convolutions, as in VGG-11, with half the channels.",
            "Behind the first stage every convolution holds more equations than its input has unknowns; every max pool "
            "drops three entries of four.",
            32,
        ),
        lambda classes, head_bias: SmallVgg(classes, head_bias=head_bias),
    ),
    (
        NetworkSpec(
            "alexnet",
            "AlexNet",
            "Large fully connected layers after pooling.",
            "Its three linear layers hand their inputs over; below them, three max pools drop most of what the "
            "convolutions saw.",
            224,
        ),
        lambda classes, head_bias: _torchvision(classes, head_bias, "alexnet"),
    ),
    (
        NetworkSpec(
            "resnet18_half",
            "ResNet-18, half width, 32 x 32",
            "Half as many channels; untrained, or trained on digits.",
            _SKIPS,
            32,
            has_batch_norm=True,
        ),
        lambda classes, head_bias: ResidualNetwork(classes, head_bias=head_bias),
    ),
    _residual("resnet18", "ResNet-18", 32, "Small pictures, as networks on CIFAR see them.", _SKIPS),
    _residual("resnet18", "ResNet-18", 64, "Residual blocks, batch norm, average pooling.", _SKIPS),
    _residual("resnet34", "ResNet-34", 32, "Sixteen blocks instead of eight.", _SKIPS),
    _residual("resnet34", "ResNet-34", 64, "Sixteen blocks instead of eight.", _SKIPS),
    _residual("resnet50", "ResNet-50", 32, "Sixteen bottlenecks, 2048 features.", _BOTTLENECKS),
    _residual("resnet50", "ResNet-50", 64, "The deeper residual network, 2048 features.", _BOTTLENECKS),
    (
        NetworkSpec(
            "vit_small",
            "Vision transformer, small",
            "64 patches, three blocks; untrained, or trained on digits.",
            _POSITIONS,
            32,
        ),
        lambda classes, head_bias: VisionTransformer(classes, head_bias=head_bias),
    ),
)

NETWORKS: Mapping[str, NetworkSpec] = MappingProxyType({spec.name: spec for spec, _ in _CATALOGUE})
_BUILDERS: Mapping[str, _Builder] = {spec.name: builder for spec, builder in _CATALOGUE}


def build_network(
    name: str, classes: int, *, head_bias: bool = False, initialisation: str = "pytorch", seed: int = 0
) -> nn.Module:
    """Build a network whose every parameter follows from ``seed``.

    Args:
        name: a key of `NETWORKS`.
        classes: number of classes C, 2 to 100,000.
        head_bias: whether the last layer has a bias (which gives the label away at once).
        initialisation: "pytorch" draws from PyTorch's default ranges, "uniform" every parameter from
            uniform(-0.5, 0.5), the paper's choice for LeNet.
        seed: any integer; the same seed gives the same network, and the global random state is left alone.

    Returns:
        The network in float32 on the CPU, in evaluation mode.

    Raises:
        OptionError: unknown ``name`` or ``initialisation``, or torchvision is missing or broken.
        ClassCountError: ``classes`` out of range.
    """
    if name not in NETWORKS:
        raise OptionError(f"network: expected one of {', '.join(NETWORKS)}, got {name!r}.")
    if initialisation not in INITIALISATIONS:
        raise OptionError(f"initialisation: expected one of {', '.join(INITIALISATIONS)}, got {initialisation!r}.")
    if isinstance(classes, bool) or not isinstance(classes, int) or not 2 <= classes <= _LARGEST_CLASS_COUNT:
        raise ClassCountError(f"classes: expected a whole number from 2 to {_LARGEST_CLASS_COUNT}, got {classes!r}.")
    with torch.device("meta"):  # the plan only: no memory, and nothing drawn from the global generator
        model = _BUILDERS[name](classes, head_bias)
    # Not `to_empty`, which does the same: it imports PyTorch's compiler, and that takes half a second.
    model._apply(lambda planned: torch.empty(planned.shape, dtype=planned.dtype))
    _initialise(model, initialisation, torch.Generator().manual_seed(seed))
    return model.eval()


@torch.no_grad()
def _initialise(model: nn.Module, initialisation: str, generator: torch.Generator) -> None:
    """Fill every parameter and buffer in the order of ``model.modules()``."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.reset_parameters()  # constants: scale 1, shift 0, running mean 0, running variance 1
        elif isinstance(module, nn.Conv2d | nn.Linear):
            # PyTorch's default for both weight and bias: uniform within 1 / sqrt(number of inputs of one output).
            bound = 1.0 / math.sqrt(module.weight[0].numel())
            for parameter in module.parameters():
                parameter.uniform_(-bound, bound, generator=generator)
        else:  # what a network learns besides its layers: positions and class tokens
            for parameter in module.parameters(recurse=False):
                parameter.normal_(0.0, _TOKEN_STD, generator=generator)
    if initialisation == "uniform":
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)


@torch.no_grad()
def scale_weights(model: nn.Module, *, head: float = 1.0, hidden: float = 1.0) -> None:
    """Multiply weights in place: a large factor makes predictions sure, or pushes hidden units to their limits.

    Args:
        model: any network that ends in a fully connected layer.
        head: factor of weight and bias of the last fully connected layer.
        hidden: factor of the weights of every other fully connected or convolutional layer.

    Raises:
        OptionError: no head, or a factor is no number above 0.
    """
    for name, factor in (("head", head), ("hidden", hidden)):
        if not is_number(factor) or factor <= 0:
            raise OptionError(f"{name}: expected a factor above 0, got {factor!r}; 1 leaves the weights as they are.")
    last = model.get_submodule(find_head(model))
    for parameter in last.parameters():
        parameter.mul_(head)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module is not last:
            module.weight.mul_(hidden)
