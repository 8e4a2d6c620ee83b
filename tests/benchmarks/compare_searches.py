"""The exact solver against the paper's searches: same gradients, same run, medians and ratios. Run with ``make study``.

The paper's swarm is timed twice: as shipped here, all particles of a move at once and each in O(C); and as published,
one particle at a time through the whole layer. Nobody is told the truth; it only judges the answers afterwards.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from network_gradients import Sample, gradients_of, untrained_samples

from gradinv_core import recover_label
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.head import factor_heads
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import paper_search

TRAINED = "mixup-epoch-80"
SAMPLES = 12  # per class count, mixup and mixup+smoothing: the format the paper's loss for mixup is made for


class Outcome(NamedTuple):
    seconds: float
    evaluations: int
    right: bool


def ours(sample: Sample) -> Outcome:
    answer = recover_label(sample.view.weight, sample.view.weight_grad)
    return Outcome(answer.seconds, answer.evaluations, close(answer.scale, sample))


def lbfgs(sample: Sample) -> Outcome:
    return timed(sample, lambda head: paper_search.lbfgs(head, LABEL_FORMATS["mixup"]))


def swarm(sample: Sample) -> Outcome:
    structure = LABEL_FORMATS["mixup"]
    return timed(sample, lambda head: paper_search.swarm(paper_search.objective(head, structure), 0))


def published_swarm(sample: Sample) -> Outcome:
    weight, grad = sample.view.weight, sample.view.weight_grad

    def one(scale: float, row: torch.Tensor, column: int) -> float:
        probabilities = torch.softmax(weight @ (scale * row), 0)
        label = probabilities - grad[:, column] / (scale * row[column])
        base = torch.topk(label, len(label) - 2, largest=False, sorted=False).values
        return paper_search.LOSS_FACTOR * float(base.var(unbiased=False))

    def search(head) -> paper_search.SearchPath:
        row = grad[int(head.row[0])]
        column = int(row.abs().argmax())
        return paper_search.swarm(lambda scales: np.array([one(float(s), row, column) for s in scales]), 0)

    return timed(sample, search)


def timed(sample: Sample, search: Callable) -> Outcome:
    started = time.perf_counter()
    path = search(factor_heads(sample.view.weight, sample.view.weight_grad[None]))
    return Outcome(time.perf_counter() - started, path.evaluations, path.converged and close(path.scale, sample))


def close(scale: float, sample: Sample) -> bool:
    row = sample.view.weight_grad[int(sample.view.weight_grad.norm(dim=1).argmax())].double()
    true_scale = float(sample.truth.feature @ row / (row @ row))
    return abs(scale - true_scale) < 1e-2 * abs(true_scale)


WAYS = {"ours": ours, "paper's L-BFGS": lbfgs, "swarm, vectorised": swarm, "swarm, as published": published_swarm}

if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"{'':42} {'median seconds':>15} {'ratio to ours':>14} {'evaluations':>12} {'right':>8}")
    for name, source in {
        "LeNet untrained, C=10": untrained_samples("lenet_sigmoid", 10, 400),
        "LeNet untrained, C=100": untrained_samples("lenet_sigmoid", 100, 400),
        "LeNet trained with mixup": gradients_of(
            "", load_checkpoint("lenet_sigmoid", "mixup-epoch-80"), 10, 32, 400, 0
        ),
    }.items():
        samples = list(islice((sample for sample in source if sample.kind.startswith("mixup")), SAMPLES))
        ours(samples[0])  # warm up
        reference = [ours(sample) for sample in samples]
        for way_name, way in WAYS.items():
            outcomes = reference if way is ours else [way(sample) for sample in samples]
            ratio = median(o.seconds / r.seconds for o, r in zip(outcomes, reference, strict=True))
            print(
                f"{name:25} {way_name:19} {median(o.seconds for o in outcomes):12.4f} {ratio:13.0f}x "
                f"{median(o.evaluations for o in outcomes):12.0f} {sum(o.right for o in outcomes):5}/{len(outcomes)}"
            )
