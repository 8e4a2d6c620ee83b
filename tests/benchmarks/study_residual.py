"""Residual and pooled networks walked back through, on one thread: every block, and the picture at the end.

Every sample is what a client really trains on: mixup with smoothing, the label's format not told. The attack gets the
gradient and the network. Afterwards the truth judges: what every layer read, which units were active, the picture.

Name parts to run only those, and ``count=N`` for another number of pictures.
"""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from gradinv_core import ImageRecovery, capture_gradients, reconstruct_image
from gradinv_core.image_recovery.graph import Node, trace_network
from gradinv_core.metrics import psnr
from gradinv_core.networks import NETWORKS, build_network

sys.path.insert(0, str(Path(__file__).parent))
import study_image_recovery
from study_image_recovery import CLASSES, noisy, sample

IMAGES = 10  # half photographs, half digits
LARGE_IMAGES = 4
NOISE_IMAGES = 4
NOISE_LEVELS = (1e-6, 1e-5, 1e-4, 1e-3)
HEADINGS = ("dB", "least", "most", "seconds", "worst block", "wrong units", "within 2 std", "blocks within", "settled")


class MnistExample(nn.Module):
    """The network of PyTorch's first example, for pictures of three channels."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 32, 3), nn.Conv2d(32, 64, 3)
        self.dropout1, self.dropout2 = nn.Dropout(0.25), nn.Dropout(0.5)
        self.fc1, self.fc2 = nn.Linear(64 * ((size - 4) // 2) ** 2, 128), nn.Linear(128, CLASSES)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        value = functional.relu(self.conv2(functional.relu(self.conv1(picture))))
        value = torch.flatten(self.dropout1(functional.max_pool2d(value, 2)), 1)
        value = self.fc2(self.dropout2(functional.relu(self.fc1(value))))
        return functional.log_softmax(value, dim=1)


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


POOLED = {
    "MNIST example": MnistExample,
    "VGG-like": lambda size: vgg(size, batch_norm=False),
    "VGG-like, batch norm": lambda size: vgg(size, batch_norm=True),
}


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


def build(name: str, seed: int) -> nn.Module:
    """A network of the catalogue, or another of torchvision's filled in the same way."""
    if name in NETWORKS:
        return build_network(name, CLASSES, seed=seed)
    if name in POOLED:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return POOLED[name](32).eval()
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
    started = time.process_time()  # of one thread: what the machine does besides does not count
    try:
        recovery = reconstruct_image(model, gradients, picture.shape, method="analytic")
    except ValueError as error:
        complaint = f"{type(error).__name__}: {error}"
        return Outcome(-math.inf, time.process_time() - started, math.nan, 0, math.nan, math.nan, False, complaint)
    return judged(model, recovery, picture, time.process_time() - started)


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
    complaint = "" if recovery.std is not None and "could not be settled" not in recovery.reason else recovery.reason
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
    print(f"    peak memory so far {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB", flush=True)


def outcomes_of(network: str, size: int, count: int) -> Iterator[Outcome]:
    for index in range(count):
        model, client = build(network, index), sample(index, size=size)
        gradients = capture_gradients(model, client.image, client.label)
        outcome = attempt(model, gradients, client.image)
        print(f"    {index}: {outcome[:7]}", file=sys.stderr, flush=True)
        yield outcome


def study_small(count: int) -> None:
    headings("ResNet-18, 32 x 32, untrained")
    print_row(f"{count} pictures", list(outcomes_of("resnet18", 32, count)))


def study_large(count: int) -> None:
    headings("ResNet-18, 64 x 64, untrained")
    print_row(f"{count} pictures", list(outcomes_of("resnet18", 64, count)))


def study_deep(count: int) -> None:
    headings("ResNet-34, 32 x 32, untrained")
    print_row(f"{count} pictures", list(outcomes_of("resnet34", 32, count)))


def study_bottlenecks(count: int) -> None:
    headings("ResNet-50, 32 x 32, untrained")
    print_row(f"{count} pictures", list(outcomes_of("resnet50", 32, count)))


def study_pooled(count: int) -> None:
    headings("max pools inside, 32 x 32, untrained")
    for name in POOLED:
        print_row(f"{name}, {count} pictures", list(outcomes_of(name, 32, count)))


def study_noise(count: int) -> None:
    """Gaussian noise on every gradient tensor, in proportion to its root mean square; the attack is not told."""
    headings("ResNet-18, 32 x 32, noise")
    for level in NOISE_LEVELS:
        outcomes = []
        for index in range(count):
            model, client = build("resnet18", index), sample(index)
            gradients = dict(noisy(capture_gradients(model, client.image, client.label), level, seed=index))
            outcomes.append(attempt(model, gradients, client.image))
        print_row(f"{level:g}, {count} pictures", outcomes)


PARTS = {
    "small": (study_small, IMAGES),
    "large": (study_large, LARGE_IMAGES),
    "deep": (study_deep, LARGE_IMAGES),
    "bottlenecks": (study_bottlenecks, LARGE_IMAGES),
    "pooled": (study_pooled, IMAGES),
    "noise": (study_noise, NOISE_IMAGES),
}

if __name__ == "__main__":
    counts = [int(word.removeprefix("count=")) for word in sys.argv[1:] if word.startswith("count=")]
    asked = [word for word in sys.argv[1:] if not word.startswith("count=")] or list(PARTS)
    if not set(asked) <= set(PARTS):
        sys.exit(f"parts: expected some of {', '.join(PARTS)}, got {' '.join(asked)}.")
    torch.set_num_threads(1)
    study_image_recovery.warm_up()
    for part in dict.fromkeys(asked):
        run, usual = PARTS[part]
        run(counts[0] if counts else usual)
