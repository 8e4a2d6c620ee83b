"""The networks that ship: trained on the handwritten digits, and saved as they are early, midway and late.

``python -m gradinv_core.training`` writes every checkpoint in assets/checkpoints again (ten minutes on one core).
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from gradinv_core.augmentation import Augmentation, augment
from gradinv_core.checkpoints import CHECKPOINT_CLASSES, CHECKPOINT_SEED, Stage, save_checkpoint
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import OptionError
from gradinv_core.networks import NETWORKS, build_network

__all__ = ["RECIPES", "Recipe", "Split", "accuracy", "digits_split", "main", "train"]

_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a training run turns out.

    Attributes:
        name: how the labels are softened, in one word; part of the checkpoint's name.
        network: a key of `gradinv_core.networks.NETWORKS`.
        augmentation: applied to every training sample. Mixing kinds draw a new ratio for each, uniform in [0, 1].
        stages: epochs worth saving, ascending; the last one ends the run.
        learning_rate: of Adam at the start; a cosine takes it to zero.
        batch_size: small batches bring sigmoid networks off their starting plateau sooner.
        seed: of the order of the samples, the partners and the ratios.
        halved: whether its weights are stored in half precision; whoever loads them gets exactly these, in float32.
    """

    name: str
    network: str
    augmentation: Augmentation = field(default_factory=Augmentation)
    stages: tuple[int, ...] = (5, 10, 20, 40)
    learning_rate: float = 2e-3
    batch_size: int = 8
    seed: int = 0
    halved: bool = False


RECIPES = (
    Recipe("hard", "lenet_sigmoid", stages=(5, 10, 40, 160)),  # long enough for over-confident, one-hot predictions
    Recipe("smoothing", "lenet_sigmoid", Augmentation("smoothing", epsilon=0.1), stages=(10, 20, 40)),
    Recipe("mixup", "lenet_sigmoid", Augmentation("mixup"), stages=(20, 40, 80)),
    Recipe("hard", "fcn_small", stages=(1, 5, 30), learning_rate=1e-3, batch_size=16),
    Recipe(
        "mixup", "resnet18_half", Augmentation("mixup"), stages=(30,), learning_rate=1e-3, batch_size=16, halved=True
    ),
    Recipe(
        "mixup",
        "vit_small",
        Augmentation("mixup"),
        stages=(5, 30),
        learning_rate=1e-3,
        batch_size=16,
        halved=True,
    ),
)


class Split(NamedTuple):
    """One part of a dataset in memory.

    Attributes:
        images: (N, 3, size, size) float32.
        targets: (N,) int64.
    """

    images: torch.Tensor
    targets: torch.Tensor


def digits_split(size: int) -> tuple[Split, Split]:
    """The digits as (training, test) parts: 80 % and 20 % in a fixed random order."""
    dataset = load_dataset("digits", size)
    images, targets = zip(*dataset, strict=True)
    order = torch.from_numpy(np.random.default_rng(CHECKPOINT_SEED).permutation(len(dataset)))
    test, train_ = order.tensor_split([round(_TEST_SHARE * len(dataset))])
    everything = Split(torch.stack(images), torch.tensor(targets))
    return (
        Split(everything.images[train_], everything.targets[train_]),
        Split(everything.images[test], everything.targets[test]),
    )


@torch.no_grad()
def accuracy(model: nn.Module, split: Split) -> float:
    """Share of the images whose largest logit is the right class, 0 to 1."""
    return float((model(split.images).argmax(dim=1) == split.targets).double().mean())


def train(recipe: Recipe, training: Split, test: Split) -> Iterator[tuple[nn.Module, Stage]]:
    """Train, pausing after every epoch.

    Args:
        recipe: what to train and how.
        training: samples to learn from.
        test: held-out samples for the accuracy.

    Yields:
        The network (the same object every time, in evaluation mode) and the stage it has reached.

    Raises:
        OptionError: unknown network, no stages, or a custom label, which would be the same for every sample.
    """
    if recipe.augmentation.kind == "custom":
        raise OptionError("training: expected an augmentation that follows the sample's class, got a custom label.")
    if not recipe.stages or min(recipe.stages) < 1:
        raise OptionError(f"training: expected at least one epoch to stop at, got stages {recipe.stages}.")
    model = build_network(recipe.network, CHECKPOINT_CLASSES, seed=CHECKPOINT_SEED)
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    rng = np.random.default_rng(recipe.seed)
    epochs = max(recipe.stages)
    for epoch in range(1, epochs + 1):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        model.train()
        order = rng.permutation(len(training.targets))
        for start in range(0, len(order), recipe.batch_size):
            images, labels = _augmented_batch(training, order[start : start + recipe.batch_size], recipe, rng)
            loss = -(labels * torch.log_softmax(model(images), dim=1)).sum(dim=1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        model.eval()
        yield model, Stage(f"{recipe.name}-epoch-{epoch}", recipe.name, epoch, accuracy(model, test))


def _augmented_batch(
    training: Split, chosen: np.ndarray, recipe: Recipe, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, 3, h, w) and soft labels (B, C), each mixed with a partner drawn from the whole training set."""
    samples = []
    for index in chosen:
        partner, ratio, seed = int(rng.integers(len(training.targets))), rng.uniform(), int(rng.integers(2**31))
        augmentation = Augmentation(recipe.augmentation.kind, recipe.augmentation.epsilon, ratio)
        samples.append(
            augment(
                training.images[index],
                int(training.targets[index]),
                training.images[partner],
                int(training.targets[partner]),
                CHECKPOINT_CLASSES,
                augmentation,
                seed,
            )
        )
    return torch.stack([sample.image for sample in samples]), torch.stack([sample.label for sample in samples]).float()


def _halved(model: nn.Module, stage: Stage, test: Split) -> tuple[nn.Module, Stage]:
    """A copy in half precision, and how good these weights are."""
    stored = deepcopy(model).half()
    return stored, replace(stage, accuracy=accuracy(deepcopy(stored).float(), test))


def main(arguments: Sequence[str] | None = None) -> None:
    """Train every recipe, save its stages and print how good they are."""
    parser = argparse.ArgumentParser(description="Write the trained checkpoints.")
    default = Path(__file__).resolve().parents[2] / "assets" / "checkpoints"
    parser.add_argument("--folder", type=Path, default=default, help="where the files go")
    parser.add_argument("--network", choices=sorted({recipe.network for recipe in RECIPES}), help="only this network")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # the networks are too small to share
    for recipe in RECIPES:
        if options.network in (None, recipe.network):
            training, test = digits_split(NETWORKS[recipe.network].image_size)
            for model, reached in train(recipe, training, test):
                if reached.epoch in recipe.stages:
                    stored, stage = _halved(model, reached, test) if recipe.halved else (model, reached)
                    path = save_checkpoint(stored, recipe.network, stage, options.folder)
                    sys.stdout.write(f"{path.name}  {100 * (stage.accuracy or 0):.1f} %\n")
                    sys.stdout.flush()
