"""A scenario's stage outside of the page: dataset, number of classes and network, for work in the background."""

from dataclasses import dataclass
from functools import lru_cache

import torch

from dashboard.client_side import ClientStep, play_client
from dashboard.own_photo import OwnPhoto
from dashboard.public_network import PublicNetwork, build_public_network
from dashboard.state import FEWEST_CLASSES, UNTRAINED, Scenario
from gradinv_core.checkpoints import CHECKPOINT_CLASSES
from gradinv_core.datasets import ImageDataset, load_dataset
from gradinv_core.networks import NETWORKS

__all__ = ["Scene", "class_count", "open_scene", "own_image", "public_part"]

_PUBLIC = ("network", "classes", "head_bias", "initialisation", "stage", "seed", "sharpness", "gain")
"""Fields of a scenario that make the network; all others are the client's."""


@dataclass(frozen=True)
class Scene:
    """One scenario, ready to be attacked.

    Attributes:
        network: what both sides know.
        client: the client's step, with the truth.
    """

    network: PublicNetwork
    client: ClientStep


def class_count(scenario: Scenario, images: ImageDataset) -> int:
    """Number of classes of the head: what was asked for, but never fewer than the dataset needs; ten once trained.

    Only where so few were asked for that the dataset's must be merged, it is that number.
    """
    if scenario.stage != UNTRAINED:
        return CHECKPOINT_CLASSES
    merged = 0 < scenario.classes < FEWEST_CLASSES
    return scenario.classes if merged else max(scenario.classes, len(images.class_names))


def public_part(scenario: Scenario) -> Scenario:
    """The scenario without what the network has nothing to do with: scenarios that share a network share this."""
    kept = {name: getattr(scenario, name) for name in _PUBLIC}
    if scenario.stage != UNTRAINED:  # trained weights do not depend on the seed
        kept["seed"] = Scenario.seed
    return Scenario(**kept)


def own_image(scenario: Scenario, photo: OwnPhoto | None) -> torch.Tensor | None:
    """The visitor's photo (3, h, w), as large as the network needs it; None where there is none, or none is wanted."""
    if photo is None or not scenario.own_photo:
        return None
    return photo.images[NETWORKS[scenario.network].image_size]


@lru_cache(maxsize=8)
def _dataset(name: str, size: int) -> ImageDataset:
    return load_dataset(name, size)


def open_scene(scenario: Scenario, photo: OwnPhoto | None = None) -> Scene:
    """Build the network and take the client's step, without the page's memory and its progress bars.

    Args:
        scenario: what to play.
        photo: of the visitor's own, used where the scenario asks for it.

    Raises:
        OptionError: the scenario asks for a photo of the visitor's own, and there is none.
        GradientInversionError: the dataset is not here, or the parts do not fit.
        ValueError: shares that are no label.
    """
    images = _dataset(scenario.dataset, NETWORKS[scenario.network].image_size)
    classes = class_count(scenario, images)
    network = build_public_network(scenario, classes)
    return Scene(network, play_client(network, images, scenario, classes, own_image(scenario, photo)))
