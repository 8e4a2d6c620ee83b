"""Trained residual networks and transformers: label, picture, time of the processor, one thread.

Every sample is what a client really trains on, mixup with smoothing, the format not told; half of the pictures are
photographs, which these networks never saw in training. Weights are exactly those stored, in half precision.

Name networks of the catalogue to run only those, and ``count=N`` for another number of pictures. Stages of your own
training are found where GRADINV_CHECKPOINTS says, as everywhere: for the full ResNet-18 that is

    gradinv train resnet18_32 --labels mixup --epochs 30 --out checkpoints/resnet18_32-mixup.safetensors
    GRADINV_CHECKPOINTS=checkpoints python tests/benchmarks/study_trained.py resnet18_32
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parent))
from peak_memory import forget_peak, peak_gigabytes
from study_image_recovery import sample

from gradinv_core import capture_gradients, reconstruct_image
from gradinv_core.checkpoints import available_stages, load_checkpoint
from gradinv_core.metrics import psnr
from gradinv_core.networks import NETWORKS as CATALOGUE

NETWORKS = ("vit_small", "resnet18_half")
IMAGES = 10
RIGHT = 1e-3  # of a share of the label


class Outcome(NamedTuple):
    decibels: float
    seconds: float
    within: float | None  # share of pixels within two error bars; None without bars
    status: str
    label_off: float  # largest error of a share
    worst_layer: float  # relative standard deviation of what a layer read, largest of all, as the walk gives it
    gigabytes: float  # the most memory held


def attack(network: str, stage: str, index: int) -> Outcome:
    model, client = load_checkpoint(network, stage), sample(index, size=CATALOGUE[network].image_size)
    gradients = capture_gradients(model, client.image, client.label)
    forget_peak()
    started = time.process_time()
    recovery = reconstruct_image(model, gradients, client.image.shape, method="analytic")
    seconds, gigabytes = time.process_time() - started, peak_gigabytes()
    label, within = recovery.label, None
    if recovery.std is not None:
        within = float(((recovery.image - client.image).abs() <= 2 * recovery.std).double().mean())
    off = float("inf") if label is None else float((label.label - client.label).abs().max())
    worst = max((layer.error for layer in recovery.layers[:-1]), default=0.0)
    decibels = psnr(recovery.image, client.image)
    return Outcome(decibels, seconds, within, str(label and label.status), off, worst, gigabytes)


def study(network: str, count: int) -> None:
    for stage in available_stages(network):
        outcomes = [attack(network, stage, index) for index in range(count)]
        decibels, bars = [o.decibels for o in outcomes], [o.within for o in outcomes if o.within is not None]
        right = sum(o.label_off <= RIGHT for o in outcomes)
        wrong = sum(o.status == "unique" and o.label_off > RIGHT for o in outcomes)
        within = f"{100 * sum(bars) / len(bars):.0f} % within two, {len(bars)} with bars" if bars else "no bars"
        print(
            f"{network:14} {stage:16} {median(decibels):6.1f} dB ({min(decibels):.0f} to {max(decibels):.0f})  "
            f"{median(o.seconds for o in outcomes):6.2f} s  labels right {right} of {count}, wrong and sure {wrong}  "
            f"{within}  layers to {max(o.worst_layer for o in outcomes):.0e}  "
            f"peak {max(o.gigabytes for o in outcomes):.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    counts = [int(word.removeprefix("count=")) for word in sys.argv[1:] if word.startswith("count=")]
    asked = [word for word in sys.argv[1:] if not word.startswith("count=")] or list(NETWORKS)
    if not set(asked) <= set(CATALOGUE):
        sys.exit(f"networks: expected some of {', '.join(CATALOGUE)}, got {' '.join(asked)}.")
    torch.set_num_threads(1)
    for name in asked:
        study(name, counts[0] if counts else IMAGES)
