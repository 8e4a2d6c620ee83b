"""How well images are recovered, on one thread. ``make study`` runs every part; name some to run only those.

Every sample is what a client really trains on: mixup mixes the image together with the label. The attack gets the
gradient and the network, never the label or the feature. Nobody is told the truth; it only judges afterwards.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from gradinv_core import ImageRecovery, capture_gradients, reconstruct_image
from gradinv_core.augmentation import Augmentation, AugmentedSample, augment
from gradinv_core.checkpoints import UNTRAINED, available_stages, describe_stage, load_checkpoint
from gradinv_core.datasets import load_dataset
from gradinv_core.label_recovery import Status
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network

sys.path.insert(0, str(Path(__file__).parent))
import study_deep_evidence

IMAGES = 10  # half photographs, half digits
CLASSES = 10
BOTH = Augmentation("mixup+smoothing", epsilon=0.1, ratio=0.65)
UNTRAINED_NETWORKS = (
    ("lenet_sigmoid", "pytorch"),
    ("lenet_tanh", "pytorch"),
    ("lenet_leaky_relu", "pytorch"),
    ("lenet_relu", "pytorch"),
    ("lenet_sigmoid", "uniform"),
)
TRAINED_NETWORKS = ("lenet_sigmoid", "fcn_small")
# The labels a stage was trained with; softened where hard ones would leave a trained network without a gradient.
OWN_LABEL = {
    "hard": Augmentation("smoothing", epsilon=0.1),
    "smoothing": Augmentation("smoothing", epsilon=0.1),
    "mixup": Augmentation("mixup", ratio=0.65),
}
NOISE_LEVELS = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
NOISE_IMAGES = 6
PIXELS = {  # what the network is fed: the picture in [0, 1], in [-1, 1], or normalised as for ImageNet
    "[0, 1]": {},
    "[-1, 1]": {"pixel_range": (-1.0, 1.0)},
    "mean and std": {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},
}
RESNET_IMAGES = 5
RESNET_ITERATIONS = 250


class Outcome(NamedTuple):
    """One attempt; an attempt that raised an error has no image and counts as -infinity decibels."""

    decibels: float
    seconds: float
    within: float  # share of pixels within two reported standard deviations; NaN without error bars
    status: str
    complaint: str = ""


def sample(index: int, augmentation: Augmentation = BOTH, size: int = 32) -> AugmentedSample:
    """Number ``index`` of the images: even ones are photographs, odd ones digits; a partner is of another class."""
    data, rng = load_dataset(("photographs", "digits")[index % 2], size), np.random.default_rng(index)
    image, target = data[int(rng.integers(len(data)))]
    partner_image, partner = image, target
    while partner == target:
        partner_image, partner = data[int(rng.integers(len(data)))]
    return augment(image, target, partner_image, partner, CLASSES, augmentation)


def attempt(attack: Callable[[], ImageRecovery], true: torch.Tensor) -> Outcome:
    try:
        recovery = attack()
    except ValueError as error:
        return Outcome(-math.inf, math.nan, math.nan, "error", f"{type(error).__name__}: {error}")
    within = math.nan
    if recovery.std is not None:
        within = float(((recovery.image - true).abs() <= 2 * recovery.std).double().mean())
    status = "" if recovery.label is None else str(recovery.label.status)
    return Outcome(psnr(recovery.image, true), recovery.seconds, within, status)


def analytic(model: nn.Module, client: AugmentedSample) -> Outcome:
    gradients = capture_gradients(model, client.image, client.label)
    return attempt(lambda: reconstruct_image(model, gradients, client.image.shape, method="analytic"), client.image)


HEADINGS = ("dB", "least", "most", "seconds", "within 2 std", "each", "unique", "errors")


def headings(first: str) -> None:
    print(f"\n{first:50}" + "".join(f"{heading:>{max(len(heading), 6) + 2}}" for heading in HEADINGS))


def print_row(name: str, outcomes: Sequence[Outcome]) -> None:
    """Medians and range; the share within two standard deviations, pooled and of the worst and best image."""
    decibels, shares = [o.decibels for o in outcomes], [o.within for o in outcomes if not math.isnan(o.within)]
    seconds = [o.seconds for o in outcomes if not math.isnan(o.seconds)]
    cells = (
        f"{median(decibels):.1f}",
        f"{min(decibels):.1f}",
        f"{max(decibels):.1f}",
        f"{median(seconds):.2f}" if seconds else "-",
        f"{100 * sum(shares) / len(shares):.1f} %" if shares else "-",
        f"{100 * min(shares):.0f}-{100 * max(shares):.0f}" if shares else "-",
        sum(o.status == Status.UNIQUE for o in outcomes),
        sum(bool(o.complaint) for o in outcomes),
    )
    widths = [max(len(heading), 6) + 2 for heading in HEADINGS]
    print(f"{name:50}" + "".join(f"{cell!s:>{width}}" for cell, width in zip(cells, widths, strict=True)), flush=True)
    for complaint in sorted({o.complaint for o in outcomes if o.complaint}):
        print(f"    {complaint}")


def study_untrained() -> None:
    """Our route, and gradient matching with the paper's settings, on the same gradients in turn."""
    headings(f"untrained, {IMAGES} images")
    warm_up()
    for network, initialisation in UNTRAINED_NETWORKS:
        ours, matched = [], []
        for index in range(IMAGES):
            model = build_network(network, CLASSES, initialisation=initialisation, seed=index)
            client = sample(index)
            ours.append(analytic(model, client))
            matched.append(matching(model, client, seed=index))
        print_row(f"{network} {initialisation}: layer by layer", ours)
        print_row(f"{network} {initialisation}: gradient matching", matched)


def warm_up() -> None:
    analytic(build_network("lenet_sigmoid", CLASSES), sample(0))


def matching(model: nn.Module, client: AugmentedSample, seed: int, **options: object) -> Outcome:
    gradients = capture_gradients(model, client.image, client.label)
    return attempt(
        lambda: reconstruct_image(model, gradients, client.image.shape, method="matching", seed=seed, **options),
        client.image,
    )


def study_trained() -> None:
    headings(f"trained on digits, {IMAGES} images")
    for network in TRAINED_NETWORKS:
        for stage in available_stages(network):
            model, recipe = load_checkpoint(network, stage), describe_stage(network, stage).recipe
            for augmentation in (BOTH,) if stage == UNTRAINED or recipe is None else (BOTH, OWN_LABEL[recipe]):
                clients = [sample(index, augmentation) for index in range(IMAGES)]
                outcomes = [analytic(model, client) for client in clients]
                print_row(f"{network} {stage}, {augmentation.kind}", outcomes)


def study_noise() -> None:
    """Gaussian noise on every gradient tensor, in proportion to its root mean square; the attack is not told."""
    headings(f"noise on the gradient, lenet_sigmoid, {NOISE_IMAGES} images")
    for level in NOISE_LEVELS:
        outcomes = []
        for index in range(NOISE_IMAGES):
            model, client = build_network("lenet_sigmoid", CLASSES, seed=index), sample(index)
            gradients = dict(noisy(capture_gradients(model, client.image, client.label), level, seed=index))
            outcomes.append(rebuild(model, gradients, client))
        print_row(f"{level:g}", outcomes)


def rebuild(model: nn.Module, gradients: dict[str, torch.Tensor], client: AugmentedSample) -> Outcome:
    return attempt(lambda: reconstruct_image(model, gradients, client.image.shape, method="analytic"), client.image)


def noisy(gradients: dict[str, torch.Tensor], level: float, seed: int) -> Iterator[tuple[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    for name, gradient in gradients.items():
        noise = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
        yield name, gradient + level * gradient.square().mean().sqrt() * noise


def study_pixels() -> None:
    """Whether it matters what the network is fed; decibels are always those of the picture in [0, 1]."""
    headings(f"pixels, {IMAGES} images")
    for network in dict.fromkeys(network for network, _ in UNTRAINED_NETWORKS):
        outcomes: dict[str, list[Outcome]] = {pixels: [] for pixels in PIXELS}
        for index in range(IMAGES):
            model, client = build_network(network, CLASSES, seed=index), sample(index)
            for pixels, told in PIXELS.items():
                outcomes[pixels].append(fed(model, client, told))
        for pixels in PIXELS:
            print_row(f"{network}: {pixels}", outcomes[pixels])
        for pixels in PIXELS:
            gains = [
                other.decibels - plain.decibels
                for other, plain in zip(outcomes[pixels], outcomes["[0, 1]"], strict=True)
            ]
            print(f"    {pixels}: image by image {median(gains):+.1f} dB, from {min(gains):+.1f} to {max(gains):+.1f}")


def fed(model: nn.Module, client: AugmentedSample, told: dict[str, tuple[float, ...]]) -> Outcome:
    """One attack on a client that feeds its network so; the server is told, as it has to be."""
    low, high = told.get("pixel_range", (0.0, 1.0))
    picture = low + (high - low) * client.image
    gradients = capture_gradients(model, picture, client.label, **told)

    def attack() -> ImageRecovery:
        recovery = reconstruct_image(model, gradients, picture.shape, method="analytic", **told)
        std = None if recovery.std is None else recovery.std / (high - low)
        return replace(recovery, image=(recovery.image - low) / (high - low), std=std)

    return attempt(attack, client.image)


def study_resnet() -> None:
    """Whether the recovered label costs gradient matching anything against the true one."""
    print(
        f"\nresnet18 at 32 x 32, {RESNET_ITERATIONS} steps   label recovered     label given      difference  seconds"
    )
    differences = []
    for index in range(RESNET_IMAGES):
        model, client = build_network("resnet18", CLASSES, seed=index), sample(index)
        recovered = matching(model, client, index, iterations=RESNET_ITERATIONS)
        given = matching(model, client, index, iterations=RESNET_ITERATIONS, label_mode="given", label=client.label)
        differences.append(recovered.decibels - given.decibels)
        print(
            f"image {index:<33} {recovered.decibels:12.2f} dB {given.decibels:12.2f} dB {differences[-1]:12.2f} dB "
            f"{recovered.seconds:8.1f} {recovered.complaint}{given.complaint}",
            flush=True,
        )
    print(f"largest difference {max(map(abs, differences)):.2f} dB, mean {sum(differences) / len(differences):+.2f} dB")


PARTS = {
    "untrained": study_untrained,
    "trained": study_trained,
    "noise": study_noise,
    "pixels": study_pixels,
    "evidence": study_deep_evidence.study,
    "resnet": study_resnet,
}

if __name__ == "__main__":
    asked = sys.argv[1:] or ["all"]
    if not set(asked) <= {*PARTS, "all"}:
        sys.exit(f"parts: expected some of {', '.join(PARTS)} or all, got {' '.join(asked)}.")
    torch.set_num_threads(1)
    for part in PARTS if "all" in asked else dict.fromkeys(asked):
        PARTS[part]()
