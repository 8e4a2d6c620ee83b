"""How many labels of a batch come back from one averaged gradient, and whether any is confidently wrong.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/study_batches.py [heads] [untrained] [trained] [noise] [hard]

``--batches N`` sets the number of batches in each row. "Right" is a label within 1e-3, each by an answer
of its own; "wrong" is one that is called unique and off by more than 1e-2.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).parent))
from drawn_batches import Batch, draw_batch, soft_labels
from network_gradients import trained

from gradinv_core import recover_batch
from gradinv_core.batch_recovery import view_below
from gradinv_core.batch_recovery.baselines import count_by_magnitude, count_by_means
from gradinv_core.checkpoints import available_stages, load_checkpoint
from gradinv_core.client import capture_batch_gradients, client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.experiments.study.report.table import wilson
from gradinv_core.head import find_head, observe_head
from gradinv_core.networks import build_network

RIGHT, WRONG = 1e-3, 1e-2
NETWORKS = ("lenet_relu", "fcn_small", "resnet18")
SIZES = (2, 3, 4, 6, 8)


def row(name: str, batches: Iterator[Batch]) -> None:
    """Recover every batch and print one line."""
    labels = right = unique = wrong = full = count = 0
    seconds, obstacles, worst = [], Counter(), 0.0
    for batch in batches:
        answers = recover_batch(batch.weight, batch.weight_grad, below=batch.below, seed=0)
        distance = np.abs(answers.labels.numpy()[:, None] - batch.labels[None]).max(2)
        matched = distance[linear_sum_assignment(distance)]
        good = int((matched < RIGHT).sum())
        errors = batch.unique_errors(answers)
        labels, right, unique = labels + len(batch.labels), right + good, unique + len(errors)
        wrong += sum(error > WRONG for error in errors)
        worst = max([worst, *errors])
        full, count = full + (good == len(batch.labels)), count + 1
        seconds.append(answers.seconds)
        obstacles[str(answers.obstacle)] += 1
    low, high = wilson(right, labels)
    print(
        f"{name:40} {right:4}/{labels:<4} right ({low:.0%} to {high:.0%}), {unique:4} unique, {wrong} WRONG, "
        f"{full:2}/{count} batches in full, worst unique {worst:.0e}, {statistics.median(seconds):.2f} s  "
        f"{dict(obstacles)}",
        flush=True,
    )


def of_network(build: Callable[[int], torch.nn.Module], size: int, samples: int, batches: int) -> Iterator[Batch]:
    """Batches of photographs and digits in turn, through one network after the other."""
    for number in range(batches):
        model, data = build(number), load_dataset(("photographs", "digits")[number % 2], size)
        rng = np.random.default_rng(1000 * samples + number)
        images = [data[int(index)][0] for index in rng.choice(len(data), samples, replace=False)]
        labels = soft_labels(samples, 10, rng)
        sent = capture_batch_gradients(model, images, [torch.from_numpy(y) for y in labels])
        view = observe_head(model, sent)
        features = np.stack([client_truth(model, x, y).feature.numpy() for x, y in zip(images, labels, strict=True)])
        nothing = torch.zeros(10)
        below = view_below(model, sent, find_head(model))
        yield Batch(view.weight, nothing, features, labels, view.weight_grad, nothing, below)


def heads(batches: int) -> None:
    for classes in (10, 100):
        for samples in (2, 4, 8, 12):
            if samples < classes:
                row(
                    f"drawn heads, C = {classes}, B = {samples}",
                    (draw_batch(samples, classes, 512, seed) for seed in range(batches)),
                )


def untrained(batches: int) -> None:
    for network in NETWORKS:
        for samples in SIZES:
            row(
                f"{network} untrained, B = {samples}",
                of_network(lambda seed, name=network: build_network(name, 10, seed=seed), 32, samples, batches),
            )


def trained_networks(batches: int) -> None:
    stage = available_stages("fcn_small")[-1]
    models = {
        f"fcn_small {stage}": load_checkpoint("fcn_small", stage),
        "lenet_relu 10 epochs": trained("lenet_relu", 10, 10, "smoothing"),
        "resnet18 2 epochs": trained("resnet18", 10, 2, "smoothing"),
    }
    for name, model in models.items():
        for samples in SIZES:
            row(f"{name}, B = {samples}", of_network(lambda _, model=model: model, 32, samples, batches))


def noise(batches: int) -> None:
    for level in (0.0, 1e-6, 1e-5, 1e-4, 1e-3):
        for samples in (2, 4):
            row(f"drawn heads, C = 10, B = {samples}, noise {level:g}", _noisy(samples, level, batches))


def _noisy(samples: int, level: float, batches: int) -> Iterator[Batch]:
    for seed in range(batches):
        batch = draw_batch(samples, 10, 512, seed)
        added = torch.randn(batch.weight_grad.shape, generator=torch.Generator().manual_seed(seed))
        yield batch._replace(weight_grad=batch.weight_grad + level * batch.weight_grad.square().mean().sqrt() * added)


def hard(batches: int) -> None:
    """Hard labels: ours beside the two known ways, as the share of batches whose classes are all right."""
    for samples in (2, 4, 8):
        ours = magnitude = means = 0
        for seed in range(batches):
            classes = np.sort(np.random.default_rng(seed).integers(0, 10, samples))
            batch = draw_batch(samples, 10, 512, seed, labels=np.eye(10)[classes], biased=True)
            sent = (batch.weight, batch.weight_grad, batch.bias, batch.bias_grad)
            answers = recover_batch(*sent, seed=0)
            ours += sorted(int(answer.label.argmax()) for answer in answers) == classes.tolist()
            magnitude += count_by_magnitude(batch.weight_grad, samples) == classes.tolist()
            means += count_by_means(*sent, samples) == classes.tolist()
        print(f"hard labels, B = {samples}: ours {ours}, magnitude {magnitude}, means {means} of {batches}", flush=True)


PARTS = {"heads": heads, "untrained": untrained, "trained": trained_networks, "noise": noise, "hard": hard}

if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], help="which tables; all without any")
    parser.add_argument("--batches", type=int, default=25)
    asked = parser.parse_args()
    for part in asked.parts or PARTS:
        PARTS[part](asked.batches)
