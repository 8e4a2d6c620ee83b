"""How often label recovery is right, on gradients of real networks. Run with ``make study``; takes minutes."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch

from gradinv_core import recover_label

sys.path.insert(0, str(Path(__file__).parent))
from network_gradients import Sample, checkpoint_samples, gradients_of, trained, untrained_samples


class Entry(NamedTuple):
    right: bool
    unique: bool
    one_hot: bool
    held: bool
    named: bool


ONE_HOT = 1 - 1e-6  # predictions beyond this look one-hot in float32: the head alone may not know


COLUMNS = ("n", "right", "unique", "one-hot", "right of the rest", "one-hot held", "wrong", "format")


def study(samples: Iterable[Sample]) -> None:
    rows: dict[str, list[Entry]] = defaultdict(list)
    for sample in samples:
        rows[sample.case].append(judge(sample))
    print(f"{'case':45}" + "".join(f"{column:>{len(column) + 2}}" for column in COLUMNS))
    for case, entries in [*rows.items(), ("all", list(chain(*rows.values())))]:
        print_row(case, entries)


def judge(sample: Sample) -> Entry:
    view, truth = sample.view, sample.truth
    answer = recover_label(view.weight, view.weight_grad)
    row = view.weight_grad[answer.row].double()  # two rows can tie; the true lambda of the row the answer speaks of
    scale = float(truth.feature @ row / (row @ row))
    label_right = bool((answer.label - truth.label).abs().max() < 1e-3)
    return Entry(
        right=label_right and bool((answer.feature - truth.feature).norm() < 1e-3 * truth.feature.norm()),
        unique=answer.status == "unique",
        one_hot=bool(truth.probabilities.max() > ONE_HOT),
        held=any(low <= scale <= high for low, high in answer.intervals),
        named=answer.label_format == sample.kind,
    )


def print_row(case: str, entries: list[Entry]) -> None:
    hot, rest = [e for e in entries if e.one_hot], [e for e in entries if not e.one_hot]
    cells = (
        len(entries),
        sum(e.right for e in entries),
        sum(e.unique for e in entries),
        len(hot),
        f"{sum(e.right for e in rest)}/{len(rest)}",
        f"{sum(e.held for e in hot)}/{len(hot)}",
        sum(e.unique and not e.right for e in entries),
        sum(e.named for e in entries),
    )
    print(f"{case:45}" + "".join(f"{cell!s:>{len(column) + 2}}" for cell, column in zip(cells, COLUMNS, strict=True)))


TRAINED_HERE = (
    ("lenet_relu", 100, 30, "smoothing"),
    ("resnet18", 10, 4, "smoothing"),
    ("resnet18", 100, 6, "smoothing"),
    ("resnet18", 10, 6, "hard"),
    ("resnet18", 100, 10, "hard"),
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
                    f"{network} C={classes} trained {kind}", trained(network, classes, epochs, kind), classes, 32, 40, 1
                )
                for network, classes, epochs, kind in TRAINED_HERE
            ),
        )
    )
