"""How often label recovery is right, on gradients of real networks. Run with ``make study``; takes minutes."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import torch

from gradinv_core import recover_label

sys.path.insert(0, str(Path(__file__).parent))
from network_gradients import Sample, checkpoint_samples, gradients_of, trained, untrained_samples  # noqa: E402

ONE_HOT = 1 - 1e-6  # predictions beyond this look one-hot in float32: the head alone may not know


def study(samples: Iterable[Sample]) -> None:
    rows: dict[str, list[tuple[bool, ...]]] = defaultdict(list)
    for sample in samples:
        view, truth = sample.view, sample.truth
        answer = recover_label(view.weight, view.weight_grad)
        right = bool((answer.label - truth.label).abs().max() < 1e-3) and bool(
            (answer.feature - truth.feature).norm() < 1e-3 * truth.feature.norm()
        )
        unique = answer.status == "unique"
        one_hot = bool(truth.probabilities.max() > ONE_HOT)
        row = view.weight_grad[answer.row].double()  # two rows can tie; the true lambda of the row the answer speaks of
        scale = float(truth.feature @ row / (row @ row))
        inside = any(low <= scale <= high for low, high in answer.intervals)
        named = answer.label_format == sample.kind
        rows[sample.case].append((right, unique, one_hot, inside, unique and not right, named or not unique))
        if (unique and not right) or (not one_hot and not (right and unique)):
            print("   !", sample.case, sample.kind, f"lambda {truth.scale:.6g}", f"1-p {1 - truth.probabilities.max():.2e}",
                  answer.status, answer.message, answer.intervals)  # fmt: skip
    print(
        f"{'case':45} {'n':>4} {'right':>6} {'unique':>6} {'one-hot':>7} {'right, not one-hot':>18} {'one-hot: held':>13} {'wrong':>5} {'format':>6}"
    )
    total = [0] * 8
    for case, entries in rows.items():
        clear = [e for e in entries if not e[2]]
        hot = [e for e in entries if e[2]]
        numbers = [len(entries), sum(e[0] for e in entries), sum(e[1] for e in entries), len(hot),
                   sum(e[0] for e in clear), sum(e[3] for e in hot), sum(e[4] for e in entries), sum(e[5] for e in entries)]  # fmt: skip
        total = [a + b for a, b in zip(total, numbers, strict=True)]
        print_row(case, numbers)
    print_row("all", total)


def print_row(case: str, numbers: list[int]) -> None:
    n, right, unique, hot, clear, held, wrong, named = numbers
    print(
        f"{case:45} {n:4} {right:6} {unique:6} {hot:7} {f'{clear}/{n - hot}':>18} {f'{held}/{hot}':>13} {wrong:5} {named:6}"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    study(
        chain(
            untrained_samples("lenet_sigmoid", 10, 80),
            untrained_samples("lenet_sigmoid", 100, 80),
            untrained_samples("lenet_sigmoid", 10, 40, initialisation="uniform"),
            untrained_samples("lenet_relu", 10, 40),
            untrained_samples("resnet18", 10, 80),
            untrained_samples("resnet18", 100, 80),
            untrained_samples("resnet50", 1000, 24),
            checkpoint_samples("lenet_sigmoid", 40),
            checkpoint_samples("fcn_small", 24),
            *(
                gradients_of(
                    f"{network} C={classes} trained {kind} {epochs}",
                    trained(network, classes, epochs, kind),
                    classes,
                    32,
                    40,
                    epochs,
                )
                for network, classes, epochs, kind in (
                    ("lenet_relu", 100, 30, "smoothing"),
                    ("resnet18", 10, 4, "smoothing"),
                    ("resnet18", 100, 6, "smoothing"),
                    ("resnet18", 10, 6, "hard"),
                    ("resnet18", 100, 10, "hard"),
                )
            ),
        )
    )
