"""The course of a training: epoch by epoch, the best so far on disk, and never more than an epoch to lose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gradinv_core.errors import NonFiniteError
from gradinv_core.networks import build_network
from gradinv_core.trained_file import TrainedFacts, save_trained
from gradinv_core.training.pictures import Pictures, TrainingPictures
from gradinv_core.training.plan import TrainingPlan
from gradinv_core.training.softening import Softening, softening
from gradinv_core.training.unfinished import forget, read_back, remember

__all__ = ["Reached", "train_network"]

_TESTED_AT_ONCE = 256
_NO_TRAINING = 2  # batch norm cannot learn from fewer pictures


@dataclass(frozen=True)
class Reached:
    """Where a training stands after an epoch.

    Attributes:
        epoch: passes over the training set so far.
        accuracy: share of the held-out pictures that are right, 0 to 1.
        best: the largest so far; that network is on disk.
    """

    epoch: int
    accuracy: float
    best: float


def train_network(
    plan: TrainingPlan,
    pictures: TrainingPictures,
    out: Path,
    device: str = "cpu",
    on_step: Callable[[int, float], None] = lambda *_: None,
) -> Iterator[Reached]:
    """Train, or go on where a training to the same file was stopped.

    After every epoch the best network so far lies in ``out``, and what it takes to go on beside it: whoever stops or
    kills it loses the epoch in flight. Stopped or not, the same plan gives the same weights on the same machine.

    Args:
        plan: what to train and how.
        pictures: what it learns from and is tested with.
        out: file of the result, see `gradinv_core.trained_file`.
        device: where it computes.
        on_step: called with the epoch and the share of it that is done, 0 to 1.

    Yields:
        Where it stands, after every epoch.

    Raises:
        OptionError: ``out`` cannot be written, or something was begun there with other settings.
        TensorFileError: what was begun there is damaged.
        NonFiniteError: the weights overflowed.
    """
    model = build_network(plan.network, pictures.classes, head_bias=plan.head_bias, seed=plan.seed).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=plan.learning_rate)
    soften = softening(plan, pictures.classes)
    done, best = read_back(out, plan, model, optimiser)
    for epoch in range(done + 1, plan.epochs + 1):
        _one_epoch(model, optimiser, plan, epoch, pictures.training, soften, device, on_step)
        accuracy = _accuracy(model, pictures.held_out, device)
        if accuracy >= best:  # of two that are as good, the one that has learned longer
            best = accuracy
            dataset = plan.dataset.partition(":")[0]
            facts = TrainedFacts(plan.network, pictures.classes, plan.head_bias, dataset, plan.labels, epoch, accuracy)
            save_trained(model, facts, out)
        remember(out, plan, epoch, best, model, optimiser)
        yield Reached(epoch, accuracy, best)
    forget(out)


def _one_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    plan: TrainingPlan,
    epoch: int,
    training: Pictures,
    soften: Softening,
    device: str,
    on_step: Callable[[int, float], None],
) -> None:
    """Once through the training set. All that is drawn follows from seed and epoch, so that a stop changes nothing."""
    for group in optimiser.param_groups:
        group["lr"] = plan.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / plan.epochs)) / 2
    rng = np.random.default_rng((plan.seed, epoch))
    order = rng.permutation(len(training))
    model.train()
    with torch.random.fork_rng([device] if device.startswith("cuda") else []):
        _seed(int(rng.integers(2**31)), device)
        for start in range(0, len(order), plan.batch_size):
            chosen = training.take(order[start : start + plan.batch_size])
            if len(chosen) < _NO_TRAINING:
                continue
            images, labels = soften(chosen.images, chosen.targets)
            logits = model(images.to(device))
            loss = functional.cross_entropy(logits, labels.to(device), label_smoothing=plan.smoothing)
            if not torch.isfinite(loss):
                raise NonFiniteError(
                    f"loss: expected a finite number, got {loss.item()} in epoch {epoch}; take a smaller learning rate."
                )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            on_step(epoch, min((start + plan.batch_size) / len(order), 1.0))
    model.eval()


def _seed(seed: int, device: str) -> None:
    torch.default_generator.manual_seed(seed)
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


@torch.no_grad()
def _accuracy(model: nn.Module, held_out: Pictures, device: str) -> float:
    """Share of the pictures whose largest logit is the right class."""
    right = 0
    for start in range(0, len(held_out), _TESTED_AT_ONCE):
        part = held_out.take(np.arange(start, min(start + _TESTED_AT_ONCE, len(held_out))))
        logits = model(part.images.to(device).float() / 255)
        right += int((logits.argmax(1).cpu() == part.targets).sum())
    return right / len(held_out)
