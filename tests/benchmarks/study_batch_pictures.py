"""How good the pictures of a batch are, nothing known but one averaged gradient and the weights.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/study_batch_pictures.py [small] [fcn4] [half] [resnet18]

``--batches N`` sets the number of batches in each row, ``--first N`` the first of them, ``--samples`` their sizes.
Every second batch is of digits, the others of photographs; labels are mixed and smoothed, and the format is not told. A
row tells the worst relative error of any layer's input of any sample, the pictures' decibels (the worst of each batch:
median and range), how many of the batches are settled, the worst feature among those, and how many pixels lie within
two error bars.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).parent))
from drawn_batches import soft_labels

from gradinv_core.batch_recovery import reconstruct_batch
from gradinv_core.client import capture_batch_gradients
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import GradientInversionError
from gradinv_core.networks import NETWORKS, build_network

PARTS = {"small": "fcn_small", "fcn4": "fcn4", "half": "resnet18_half", "resnet18": "resnet18_32"}


class Outcome(NamedTuple):
    """One batch: the worst input, decibels of every picture, share within two bars, and what was said."""

    inputs: float
    decibels: list[float]
    settled: bool
    agreement: float
    within: float
    seconds: float


def play(network: str, samples: int, number: int) -> Outcome | str:
    """One batch; a sentence where there are no pictures."""
    model, size = build_network(network, 10, seed=number), NETWORKS[network].image_size
    data, rng = (
        load_dataset(("photographs", "digits")[number % 2], size),
        np.random.default_rng(1000 * samples + number),
    )
    images = [data[int(index)][0] for index in rng.choice(len(data), samples, replace=False)]
    labels = [torch.from_numpy(label) for label in soft_labels(samples, 10, rng)]
    sent, started = capture_batch_gradients(model, images, labels), time.perf_counter()
    try:
        found = reconstruct_batch(model, sent, (3, size, size), seed=0)
    except GradientInversionError as error:
        return error.sentence
    seconds = time.perf_counter() - started
    if found.images is None:
        return found.reason
    own = torch.stack(images).double()
    squared = (own[:, None] - found.images[None]).square().mean((2, 3, 4))
    order = torch.from_numpy(linear_sum_assignment(squared.numpy())[1])
    read = inputs_of(model, own)
    errors = [
        float(((layer.inputs[order] - came).flatten(1).norm(dim=1) / came.flatten(1).norm(dim=1)).max())
        for layer in found.layers
        for came in [read[layer.name.split(",")[0]]]
    ]
    missed = found.images[order] - own
    within = np.nan if found.std is None else float((missed.abs() <= 2 * found.std[order]).double().mean())
    decibels = (-10 * missed.square().mean((1, 2, 3)).log10()).tolist()
    return Outcome(max(errors), decibels, found.settled, max(found.agreement), within, seconds)


def inputs_of(model: torch.nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What every layer reads of the client's pictures."""
    read: dict[str, torch.Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: read.update({name: inputs[0].detach().double()}))
        for name, module in model.named_modules()
    ]
    with torch.no_grad():
        model(images.float())
    for hook in hooks:
        hook.remove()
    return read


def row(network: str, samples: int, batches: range) -> None:
    """Rebuild every batch; a line for each, and one for all."""
    outcomes: list[Outcome] = []
    for number in batches:
        outcome = play(network, samples, number)
        if isinstance(outcome, str):
            print(f"  {network}, B = {samples}, batch {number}: {outcome}", flush=True)
            continue
        outcomes.append(outcome)
        shown = ", ".join(f"{each:.1f}" for each in sorted(outcome.decibels))
        print(
            f"  {network}, B = {samples}, batch {number}: inputs {outcome.inputs:.1e}, {shown} dB, "
            f"{'settled' if outcome.settled else 'searched'}, features {outcome.agreement:.1e}, "
            f"within {outcome.within:.1%}, {outcome.seconds:.0f} s",
            flush=True,
        )
    if not outcomes:
        print(f"{network}, B = {samples}: none of {len(batches)} batches", flush=True)
        return
    worst = [min(outcome.decibels) for outcome in outcomes]
    every = [each for outcome in outcomes for each in outcome.decibels]
    settled = [outcome for outcome in outcomes if outcome.settled]
    within = [outcome.within for outcome in settled if not np.isnan(outcome.within)]
    print(
        f"{network}, B = {samples}: {len(outcomes)} of {len(batches)} batches, inputs "
        f"{max(outcome.inputs for outcome in outcomes):.1e}, all pictures {statistics.median(every):.0f} dB in the "
        f"median, worst of a batch {statistics.median(worst):.0f} ({min(worst):.0f} to {max(worst):.0f}) dB, "
        f"{len(settled)} settled, features {max((each.agreement for each in settled), default=np.nan):.1e}, within "
        f"two bars {statistics.mean(within) if within else np.nan:.1%}, "
        f"{statistics.median(outcome.seconds for outcome in outcomes):.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], help="which networks; all without any")
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--samples", type=int, nargs="*", default=[2, 4])
    asked = parser.parse_args()
    for part in asked.parts or PARTS:
        for count in asked.samples:
            row(PARTS[part], count, range(asked.first, asked.first + asked.batches))
