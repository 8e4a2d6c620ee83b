"""The exact picture of vision transformers, on one thread: decibels, seconds, memory, and whether error bars hold.

Every sample is what a client really trains on: mixup mixes the image together with the label, which is smoothed, too.
The attack gets the gradient and the network. Its own second and its own memory are measured, not the client's step.

Run all rows, or those whose numbers are named: ``python tests/benchmarks/study_transformers.py 0 2``.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torchvision.models import vit_b_16
from torchvision.models.vision_transformer import VisionTransformer

sys.path.insert(0, str(Path(__file__).parent))
from study_image_recovery import CLASSES, IMAGES, Outcome, attempt, headings, noisy, print_row, sample

from gradinv_core import capture_gradients, reconstruct_image
from gradinv_core.augmentation import AugmentedSample
from gradinv_core.networks import build_network

HEAD_STD = 0.02  # torchvision leaves the last layer at zero, and then nothing reaches the layers below it
NOISE_LEVELS = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


class Row(NamedTuple):
    name: str
    size: int
    build: Callable[[int], nn.Module]


def torchvisions(seed: int, size: int, patch: int, layers: int, heads: int, width: int, hidden: int) -> nn.Module:
    return with_head(partial(VisionTransformer, size, patch, layers, heads, width, hidden, num_classes=CLASSES), seed)


def with_head(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build().eval()
        nn.init.normal_(model.heads.head.weight, std=HEAD_STD)
    return model


ROWS = (
    Row("vit_small (ours) 32 x 32, N 64, D 96", 32, lambda seed: build_network("vit_small", CLASSES, seed=seed)),
    Row("torchvision 32 x 32, N 64, D 192", 32, lambda seed: torchvisions(seed, 32, 4, 4, 4, 192, 384)),
    Row("torchvision 64 x 64, N 64, D 192", 64, lambda seed: torchvisions(seed, 64, 8, 4, 4, 192, 384)),
    Row("torchvision 64 x 64, N 64, D 256, 6 blocks", 64, lambda seed: torchvisions(seed, 64, 8, 6, 4, 256, 512)),
    Row(
        "torchvision ViT-B/16 224 x 224, N 196, D 768",
        224,
        lambda seed: with_head(partial(vit_b_16, num_classes=CLASSES), seed),
    ),
    Row("torchvision 32 x 32, N 64 = D", 32, lambda seed: torchvisions(seed, 32, 4, 4, 4, 64, 128)),
    Row("torchvision 32 x 32, N 64 > D 48", 32, lambda seed: torchvisions(seed, 32, 4, 4, 4, 48, 96)),
    Row("DeiT-tiny's shape 224 x 224, N 196 > D 192", 224, lambda seed: torchvisions(seed, 224, 16, 12, 3, 192, 768)),
)


def attack(model: nn.Module, client: AugmentedSample, gradients: dict[str, torch.Tensor]) -> Outcome:
    return attempt(lambda: reconstruct_image(model, gradients, client.image.shape, method="analytic"), client.image)


def megabytes() -> float:
    """The most memory that the process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def study_row(row: Row, images: int) -> None:
    outcomes, most = [], 0.0
    for index in range(images):
        model, client = row.build(index), sample(index, size=row.size)
        gradients = capture_gradients(model, client.image, client.label)
        before = megabytes()
        outcomes.append(attack(model, client, gradients))
        most = max(most, megabytes() - before)
    print_row(row.name, outcomes)
    print(
        f"    peak memory {megabytes():.0f} MB, client's step included; the attack itself added {most:.0f} MB",
        flush=True,
    )


def study_noise(row: Row, images: int) -> None:
    """Gaussian noise on every gradient tensor, in proportion to its root mean square; the attack is not told."""
    headings(f"noise, {row.name}")
    for level in NOISE_LEVELS:
        outcomes = []
        for index in range(images):
            model, client = row.build(index), sample(index, size=row.size)
            gradients = dict(noisy(capture_gradients(model, client.image, client.label), level, seed=index))
            outcomes.append(attack(model, client, gradients))
        print_row(f"{level:g}", outcomes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = sys.argv[1:] or [*map(str, range(len(ROWS))), "noise"]
    headings(f"vision transformers, {IMAGES} images")
    study_row(ROWS[0], 1)  # warm-up
    for part in asked:
        if part == "noise":
            for row in ROWS[:2]:
                study_noise(row, IMAGES)
        else:
            study_row(ROWS[int(part)], IMAGES)
