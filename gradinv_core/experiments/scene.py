"""The one way to play a scenario: open its dataset, build its network, let the client take its step.

What comes out is all that anybody needs: a server gets the network, the gradients and what was announced; whoever
judges it afterwards gets the client.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import torch

from gradinv_core.datasets import ImageDataset, load_dataset
from gradinv_core.defences import Defence, read_defences
from gradinv_core.experiments.build import build_public_network, image_size_of, trained_classes
from gradinv_core.experiments.client.training_step import ClientStep, play_client
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.experiments.scenario import FEWEST_CLASSES, Scenario

__all__ = ["BuildNetwork", "OpenImages", "Scene", "classes_of", "open_images", "play"]

OpenImages: TypeAlias = Callable[[str, int], ImageDataset]
"""(dataset, image size) -> the dataset."""

BuildNetwork: TypeAlias = Callable[[Scenario, int], PublicNetwork]
"""(a scenario's public part, number of classes) -> the network."""


@dataclass(frozen=True)
class Scene:
    """One scenario, ready to be attacked and judged.

    Attributes:
        network: what both sides know.
        announced: the defences that the server was told of, none unless the scenario says that it knows them.
        client: the client's step, with the truth.
    """

    network: PublicNetwork
    announced: tuple[Defence, ...]
    client: ClientStep

    @property
    def gradients(self) -> Gradients:
        """What left the device: all that the server gets of the client."""
        return self.client.gradients


@lru_cache(maxsize=8)
def open_images(name: str, size: int) -> ImageDataset:
    """A dataset at an image size, opened once.

    Raises:
        GradientInversionError: it is not here.
    """
    return load_dataset(name, size)


def classes_of(scenario: Scenario, images: OpenImages = open_images) -> int:
    """Number of classes of the head: what was asked for, but never fewer than the dataset needs; once trained, its own.

    Only where so few were asked for that the dataset's must be merged, it is that number.
    """
    trained = trained_classes(scenario)
    if trained is not None:
        return trained
    if 0 < scenario.classes < FEWEST_CLASSES:
        return scenario.classes
    return max(scenario.classes, len(images(scenario.dataset, image_size_of(scenario)).class_names))


def play(
    scenario: Scenario,
    own_image: torch.Tensor | None = None,
    *,
    images: OpenImages = open_images,
    build: BuildNetwork = build_public_network,
) -> Scene:
    """Build the network and take the client's step.

    Args:
        scenario: what to play.
        own_image: (3, h, w) picture of the visitor's own, exactly where the scenario asks for one.
        images: opens datasets, or remembers them.
        build: makes networks, or remembers them.

    Raises:
        OptionError: a picture of the visitor's own is missing, or not asked for.
        GradientInversionError: the dataset is not here, or the parts do not fit.
        ValueError: shares that are no label.
    """
    classes = classes_of(scenario, images)
    network = build(scenario.public, classes)
    dataset = images(scenario.dataset, network.image_size)
    client = play_client(network, dataset, scenario, classes, own_image)
    return Scene(network, read_defences(scenario.defences) if scenario.aware else (), client)
