"""Whether the layer below the head settles what the head alone cannot: labels without structure, one-hot predictions.

Part "evidence" of ``study_image_recovery.py``.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, recover_from_gradients, recover_label, smooth_label
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.client import client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.head import find_head, observe_head
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.networks import build_network

CLASSES = 10
HEADS = 50  # per row
NETWORKS = ("lenet_sigmoid", "lenet_tanh", "lenet_leaky_relu", "lenet_relu")
# Factor on the head's weights that makes the prediction one-hot; a sigmoid's feature is larger.
SATURATING = {"lenet_sigmoid": 300.0, "lenet_tanh": 2000.0, "lenet_leaky_relu": 2000.0, "lenet_relu": 2000.0}
CLOSE = 1e-3
MOST_TRIED = 1000


class Verdict(NamedTuple):
    status: str
    window: str
    label_error: float  # largest entry
    feature_error: float  # relative
    held: bool  # whether an interval holds the true lambda

    @property
    def right(self) -> bool:
        return self.label_error < CLOSE and self.feature_error < CLOSE


def study() -> None:
    print(f"\n{'Dirichlet labels, bias-free heads':40}     n  unique  largest label error   feature   windows")
    for network in NETWORKS:
        verdicts = [judge(*case, "any") for case in islice(dirichlet_cases(network), HEADS)]
        unique = sum(v.status == Status.UNIQUE for v in verdicts)
        label, feature = (max(getattr(v, name) for v in verdicts) for name in ("label_error", "feature_error"))
        windows = dict(Counter(v.window for v in verdicts))
        print(f"{network:40} {len(verdicts):5} {unique:7} {label:20.1e} {feature:9.1e}   {windows}", flush=True)
    print(f"\n{'one-hot heads that the head leaves open':40}     n  settled  wrong  held  largest label error  tried")
    saturated = [("lenet_sigmoid hard-epoch-160", trained_cases())]
    saturated += [(f"{network} head x {SATURATING[network]:g}", scaled_cases(network)) for network in NETWORKS]
    for name, cases in saturated:
        verdicts, tried = [], 0
        for model, image, label in islice(cases, MOST_TRIED):
            tried += 1
            if head_alone(model, image, label).status is Status.AMBIGUOUS:
                verdicts.append(judge(model, image, label))
            if len(verdicts) == HEADS:
                break
        settled = [v for v in verdicts if v.status == Status.UNIQUE]
        worst = max((v.label_error for v in settled), default=math.nan)
        print(
            f"{name:40} {len(verdicts):5} {sum(v.right for v in settled):8} {sum(not v.right for v in settled):6} "
            f"{sum(v.held for v in verdicts):5} {worst:20.1e} {tried:6}",
            flush=True,
        )


Case = tuple[nn.Module, torch.Tensor, torch.Tensor]


def picture(index: int, rng: np.random.Generator) -> tuple[torch.Tensor, int]:
    data = load_dataset(("photographs", "digits")[index % 2], 32)
    return data[int(rng.integers(len(data)))]


def dirichlet_cases(network: str) -> Iterator[Case]:
    """Labels drawn evenly from the whole simplex."""
    for index in count():
        rng = np.random.default_rng(index)
        label = torch.from_numpy(rng.dirichlet(np.ones(CLASSES)))
        yield build_network(network, CLASSES, seed=index), picture(index, rng)[0], label


def trained_cases() -> Iterator[Case]:
    model = load_checkpoint("lenet_sigmoid", "hard-epoch-160")
    for index in count():
        image, target = picture(index, np.random.default_rng(index))
        yield model, image, smooth_label(target, CLASSES, 0.1)


def scaled_cases(network: str) -> Iterator[Case]:
    """An over-confident head over an untrained network; smoothed and mixed labels in turn."""
    for index in count():
        rng = np.random.default_rng(index)
        model = build_network(network, CLASSES, seed=index)
        with torch.no_grad():
            model.get_submodule(find_head(model)).weight *= SATURATING[network]
        image = picture(index, rng)[0]
        first, second = (int(c) for c in rng.choice(CLASSES, 2, replace=False))
        mixed = mixup_label(first, second, CLASSES, 0.65, 0.1)
        yield model, image, smooth_label(first, CLASSES, 0.1) if index % 4 < 2 else mixed


def head_alone(model: nn.Module, image: torch.Tensor, label: torch.Tensor) -> LabelRecovery:
    view = observe_head(model, capture_gradients(model, image, label))
    return recover_label(view.weight, view.weight_grad)


def judge(model: nn.Module, image: torch.Tensor, label: torch.Tensor, label_format: str = "unknown") -> Verdict:
    gradients, truth = capture_gradients(model, image, label), client_truth(model, image, label)
    answer = recover_from_gradients(model, gradients, label_format=label_format)
    row = observe_head(model, gradients).weight_grad[answer.row].double()
    scale = float(truth.feature @ row / (row @ row))
    return Verdict(
        str(answer.status),
        str(answer.window),
        float((answer.label - truth.label).abs().max()),
        float((answer.feature - truth.feature).norm() / truth.feature.norm()),
        any(low <= scale <= high for low, high in answer.intervals),
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(study())
