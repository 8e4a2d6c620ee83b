"""Residual and pooled networks walked back through, on one thread: every block, and the picture at the end.

Every sample is what a client really trains on: mixup with smoothing, the label's format not told. The attack gets the
gradient and the network. Afterwards the truth judges: what every layer read, which units were active, the picture.

Name parts to run only those, ``count=N`` for another number of pictures, ``first=N`` for the first one's number, and
``matching=N`` for gradient matching beside the first N pictures of every row.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import nn

from gradinv_core import ImageRecovery, capture_gradients, reconstruct_image
from gradinv_core.image_recovery.graph import Node, trace_network
from gradinv_core.metrics import psnr
from gradinv_core.networks import NETWORKS, build_network
from gradinv_core.pooled_networks import MnistExample

sys.path.insert(0, str(Path(__file__).parent))
import study_image_recovery
from matching_beside import described, match
from peak_memory import forget_peak, peak_gigabytes
from study_image_recovery import CLASSES, noisy, sample

IMAGES = 10  # half photographs, half digits
NOISE_LEVELS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
HEADINGS = ("dB", "least", "most", "seconds", "worst block", "wrong units", "within 2 std", "blocks within", "settled")


class GreyMnistExample(MnistExample):
    """The network of PyTorch's first example as it stands there: one channel, 28 x 28."""

    def __init__(self) -> None:
        super().__init__(CLASSES, head_bias=True)
        self.conv1, self.fc1 = nn.Conv2d(1, 32, 3, 1), nn.Linear(64 * 12 * 12, 128)


def vgg(size: int, batch_norm: bool) -> nn.Module:
    """Three blocks of two convolutions and a max pool, of 32, 64 and 128 channels, and two linear layers."""
    layers: list[nn.Module] = []
    inputs = 3
    for outputs in (32, 64, 128):
        for _ in range(2):
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), *([nn.BatchNorm2d(outputs)] if batch_norm else [])]
            layers.append(nn.ReLU())
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    flat = 128 * (size // 8) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, 128), nn.ReLU(), nn.Linear(128, CLASSES))


POOLED: dict[str, Callable[[], nn.Module]] = {
    "MNIST example, one channel, 28 x 28": GreyMnistExample,
    "MNIST example": lambda: MnistExample(CLASSES, head_bias=True),
    "VGG-like": lambda: vgg(32, batch_norm=False),
    "VGG-like, batch norm": lambda: vgg(32, batch_norm=True),
}


GREY = {"MNIST example, one channel, 28 x 28": 28}  # and their pictures' size


class Asked(NamedTuple):
    """How many pictures, from which on, and beside how many of them gradient matching runs."""

    count: int
    first: int = 0
    matching: int = 0


class Outcome(NamedTuple):
    """One picture."""

    decibels: float
    seconds: float
    worst_block: float  # relative error of what a layer read, largest of all
    wrong: int  # units whose sign the recovered values have wrong beyond their own error bar
    within: float  # share of pixels within two error bars; NaN without
    blocks_within: float  # likewise of what layers read, all together
    settled: bool
    complaint: str = ""
    gigabytes: float = math.nan  # the most memory held


def build(name: str, seed: int) -> nn.Module:
    """A network of the catalogue, or another of torchvision's filled in the same way."""
    if name in NETWORKS:
        return build_network(name, CLASSES, seed=seed)
    if name in POOLED:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return POOLED[name]().eval()
    from torchvision import models

    model = getattr(models, name)(weights=None)
    model.fc = nn.Linear(model.fc.in_features, CLASSES, bias=False)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                bound = module.weight[0].numel() ** -0.5
                module.weight.uniform_(-bound, bound, generator=generator)
    return model.eval()


def truth(nodes: tuple[Node, ...], picture: torch.Tensor) -> list[torch.Tensor]:
    """Output of every node, in float64."""
    values: list[torch.Tensor] = []
    with torch.no_grad():
        for node in nodes:
            if node.module is None:
                values.append(picture.double()[None])
            else:
                values.append(node.module(*(values[source].clone() for source in node.inputs)))
    return [value[0] for value in values]


def attempt(model: nn.Module, gradients: dict[str, torch.Tensor], picture: torch.Tensor) -> Outcome:
    forget_peak()
    started = time.process_time()  # of one thread: what the machine does besides does not count
    try:
        recovery = reconstruct_image(model, gradients, picture.shape, method="analytic")
    except ValueError as error:
        complaint = f"{type(error).__name__}: {error}"
        return Outcome(-math.inf, time.process_time() - started, math.nan, 0, math.nan, math.nan, False, complaint)
    seconds, gigabytes = time.process_time() - started, peak_gigabytes()
    return judged(model, recovery, picture, seconds)._replace(gigabytes=gigabytes)


def judged(model: nn.Module, recovery: ImageRecovery, picture: torch.Tensor, seconds: float) -> Outcome:
    model.double()
    nodes = trace_network(model, tuple(picture.shape))
    values = truth(nodes, picture)
    model.float()
    sources = {node.name: node.inputs[0] for node in nodes if node.module is not None}
    worst, wrong, inside, count = 0.0, 0, 0, 0
    for step in recovery.steps:
        if step.layer is None or step.std is None or step.title in ("Image", "Last-layer feature"):
            continue
        true = values[sources[step.layer]]
        worst = max(worst, float((step.value - true).norm() / true.norm()))
        wrong += int((((step.value > 5 * step.std) != (true > 0)) & (true.abs() > 10 * step.std)).sum())
        inside += int(((step.value - true).abs() <= 2 * step.std).sum())
        count += true.numel()
    within = math.nan
    if recovery.std is not None:
        within = float(((recovery.image - picture).abs() <= 2 * recovery.std).double().mean())
    complaint = "" if recovery.std is not None and "taken wrongly" not in recovery.reason else recovery.reason
    return Outcome(
        psnr(recovery.image, picture),
        seconds,
        worst,
        wrong,
        within,
        inside / max(count, 1),
        recovery.std is not None,
        complaint,
    )


def headings(first: str) -> None:
    print(f"\n{first:36}" + "".join(f"{heading:>{max(len(heading), 6) + 2}}" for heading in HEADINGS))


def print_row(name: str, outcomes: list[Outcome]) -> None:
    shares = [o.within for o in outcomes if not math.isnan(o.within)]
    blocks = [o.blocks_within for o in outcomes if not math.isnan(o.blocks_within)]
    cells = (
        f"{median(o.decibels for o in outcomes):.1f}",
        f"{min(o.decibels for o in outcomes):.1f}",
        f"{max(o.decibels for o in outcomes):.1f}",
        f"{median(o.seconds for o in outcomes):.1f}",
        f"{max(o.worst_block for o in outcomes):.0e}",
        sum(o.wrong for o in outcomes),
        f"{100 * sum(shares) / len(shares):.1f} %" if shares else "-",
        f"{100 * sum(blocks) / len(blocks):.1f} %" if blocks else "-",
        f"{sum(o.settled for o in outcomes)} of {len(outcomes)}",
    )
    widths = [max(len(heading), 6) + 2 for heading in HEADINGS]
    print(f"{name:36}" + "".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)
    for complaint in sorted({o.complaint for o in outcomes if o.complaint}):
        print(f"    {complaint}")
    print(f"    peak memory {max(o.gigabytes for o in outcomes):.2f} GB", flush=True)


def study_network(network: str, size: int, asked: Asked) -> None:
    """A row: ten pictures walked back to, and gradient matching on the first of the same gradients."""
    outcomes, matched = [], []
    for index in range(asked.first, asked.first + asked.count):
        model, client = build(network, index), sample(index, size=GREY.get(network, size))
        picture = client.image.mean(0, keepdim=True) if network in GREY else client.image
        gradients = capture_gradients(model, picture, client.label)
        outcomes.append(attempt(model, gradients, picture))
        print(f"    {index}: {outcomes[-1][:7]}", file=sys.stderr, flush=True)
        if len(matched) < asked.matching:
            matched.append(match(model, gradients, picture, seed=index))
            print(f"    {index}: {matched[-1]}", file=sys.stderr, flush=True)
    print_row(f"{network}, {asked.count} pictures", outcomes)
    if matched:
        print(f"    {described(matched)}", flush=True)


def study_noise(asked: Asked) -> None:
    """Gaussian noise on every gradient tensor, in proportion to its root mean square; the attack is not told."""
    headings("ResNet-18, 32 x 32, noise")
    for level in NOISE_LEVELS:
        outcomes = []
        for index in range(asked.first, asked.first + asked.count):
            model, client = build("resnet18", index), sample(index)
            gradients = dict(noisy(capture_gradients(model, client.image, client.label), level, seed=index))
            outcomes.append(attempt(model, gradients, client.image))
        print_row(f"{level:g}, {asked.count} pictures", outcomes)


class Part(NamedTuple):
    """Networks that one word runs."""

    title: str
    networks: tuple[str, ...]
    size: int = 32

    def run(self, asked: Asked) -> None:
        headings(self.title)
        for network in self.networks:
            study_network(network, self.size, asked)


PARTS = {
    "small": Part("ResNet-18, 32 x 32, untrained", ("resnet18",)),
    "deep": Part("ResNet-34, 32 x 32, untrained", ("resnet34",)),
    "large": Part("ResNet-18, 64 x 64, untrained", ("resnet18",), 64),
    "deep-large": Part("ResNet-34, 64 x 64, untrained", ("resnet34",), 64),
    "bottlenecks": Part("ResNet-50, 32 x 32, untrained", ("resnet50",)),
    "pooled": Part("max pools inside, untrained", tuple(POOLED)),
}

if __name__ == "__main__":
    numbers = {"count": 0, "first": 0, "matching": 0}
    words = []
    for word in sys.argv[1:]:
        name, is_number, value = word.partition("=")
        if is_number and name in numbers:
            numbers[name] = int(value)
        else:
            words.append(word)
    if not set(words) <= {*PARTS, "noise"}:
        sys.exit(f"parts: expected some of {', '.join(PARTS)}, noise, got {' '.join(words)}.")
    torch.set_num_threads(1)
    study_image_recovery.warm_up()
    for word in dict.fromkeys(words or [*PARTS, "noise"]):
        asked = Asked(numbers["count"] or IMAGES, numbers["first"], numbers["matching"])
        (PARTS[word].run if word in PARTS else study_noise)(asked)
