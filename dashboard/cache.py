"""What the page remembers between redraws. Nothing here is ever modified after it was made.

What all visitors share never holds a picture of a visitor's own: that is remembered for its tab, and ends with it.
"""

import hashlib
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import streamlit as st
import torch

from dashboard import client_side, public_network, server_side
from dashboard.components import Curve, Frame
from dashboard.pictures import picture_source
from dashboard.scenes import class_count, public_part
from dashboard.state import Scenario
from gradinv_core.checkpoints import available_stages, describe_stage
from gradinv_core.datasets import ImageDataset, load_dataset
from gradinv_core.diagnosis import Diagnosis, diagnose
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.image_recovery.budget import LayerBudget, layer_budget
from gradinv_core.label_recovery.race import Racer, race
from gradinv_core.networks import NETWORKS
from gradinv_core.windows import FourWindows

__all__ = [
    "Film",
    "Stage",
    "class_count",
    "client_step",
    "dataset",
    "diagnosis",
    "film",
    "label_attack",
    "network_stages",
    "solver_race",
    "stage",
    "stage_title",
    "thumbnails",
    "windows",
]

Film = tuple[list[Frame], list[Curve]]
Remembered = TypeVar("Remembered")

_THUMBNAIL = 48
_PRIVATE = 2  # results with a picture of the visitor's own that a tab keeps
_opened: dict[tuple[str, int], ImageDataset] = {}


def _digest(image: torch.Tensor) -> str:
    """Name of a picture's content: two visitors' pictures must never be mistaken for each other."""
    return hashlib.sha256(image.numpy().tobytes()).hexdigest()


_by_content: dict[str | type[Any], Callable[[Any], Any]] = {torch.Tensor: _digest}


def _per_scenario(entries: int, spinner: str) -> Callable[[Callable[..., Remembered]], Callable[..., Remembered]]:
    """Remember what a function of a scenario, its class count and the visitor's own picture returns.

    Args:
        entries: how many results all visitors share. Of those with a picture of the visitor's own, a tab keeps two.
        spinner: what the page says meanwhile.
    """

    def decorate(function: Callable[..., Remembered]) -> Callable[..., Remembered]:
        shared = st.cache_resource(max_entries=entries, show_spinner=spinner, hash_funcs=_by_content)(function)
        private = st.cache_resource(
            scope="session", max_entries=_PRIVATE, show_spinner=spinner, hash_funcs=_by_content
        )(function)

        @wraps(function)
        def call(scenario: Scenario, classes: int, own_image: torch.Tensor | None, *rest: Any) -> Remembered:
            return (shared if own_image is None else private)(scenario, classes, own_image, *rest)

        return call

    return decorate


def dataset(name: str, size: int, progress: Callable[[float], None] | None = None) -> ImageDataset:
    """Open a dataset once per image size; a download reports its progress."""
    if (name, size) not in _opened:
        _opened[name, size] = load_dataset(name, size, progress=progress)
    return _opened[name, size]


@st.cache_data(max_entries=64, show_spinner=False)
def thumbnails(name: str, first: int, count: int) -> tuple[list[str], list[str]]:
    """Small pictures of a stretch of a dataset as data addresses, and their class names."""
    images = dataset(name, _THUMBNAIL)
    chosen = [images[index] for index in range(first, min(first + count, len(images)))]
    names = [f"number {first + offset}: {images.class_names[target]}" for offset, (_, target) in enumerate(chosen)]
    return [picture_source(image) for image, _ in chosen], names


@st.cache_data(show_spinner=False)
def network_stages(name: str) -> tuple[str, ...]:
    """Training stages of a network, untrained first."""
    return available_stages(name)


@st.cache_data(show_spinner=False)
def stage_title(name: str, stage: str) -> str:
    """A training stage for people."""
    return describe_stage(name, stage).title


# Two large networks weigh half a gigabyte: few are kept.
@st.cache_resource(max_entries=4, show_spinner="Building the network …")
def _network(public: Scenario, classes: int) -> public_network.PublicNetwork:
    return public_network.build_public_network(public, classes)


def _network_of(scenario: Scenario, classes: int) -> public_network.PublicNetwork:
    """The network of a scenario; scenarios that differ in the client's secrets only share it."""
    return _network(public_part(scenario), classes)


# One step holds a gradient of every parameter: as heavy as the network itself.
@_per_scenario(3, "The client trains for one step …")
def client_step(scenario: Scenario, classes: int, own_image: torch.Tensor | None) -> client_side.ClientStep:
    """The client's side of a scenario."""
    images = dataset(scenario.dataset, NETWORKS[scenario.network].image_size)
    return client_side.play_client(_network_of(scenario, classes), images, scenario, classes, own_image)


# A head of a thousand classes and four thousand features weighs 60 MB.
@_per_scenario(6, "The server looks for λ …")
def label_attack(scenario: Scenario, classes: int, own_image: torch.Tensor | None) -> server_side.LabelAttack:
    """What the server reads off the head in a scenario."""
    gradients = client_step(scenario, classes, own_image).gradients
    return server_side.attack_label(_network_of(scenario, classes), gradients, server_side.announced_defences(scenario))


@_per_scenario(6, "The server looks for the reason …")
def diagnosis(scenario: Scenario, classes: int, own_image: torch.Tensor | None) -> Diagnosis:
    """Why the head of a scenario gives no certain answer, if it does not."""
    gradients = client_step(scenario, classes, own_image).gradients
    return diagnose(_network_of(scenario, classes).model, gradients)


def windows(scenario: Scenario, classes: int, own_image: torch.Tensor | None) -> FourWindows | None:
    """What each window on lambda admits in a scenario, as far as they can be asked: the Lab's own."""
    return label_attack(scenario, classes, own_image).windows


@_per_scenario(6, "Four solvers look for λ …")
def solver_race(scenario: Scenario, classes: int, own_image: torch.Tensor | None, bounded: bool) -> tuple[Racer, ...]:
    """Four solvers on the head of a scenario, all from the same start; none where the gradient vanished."""
    head = label_attack(scenario, classes, own_image).head
    return () if head.vanished[0] else race(head, bounded=bounded)


@st.cache_resource(max_entries=16, show_spinner=False)
def _layer_budget(
    name: str,  # noqa: ARG001 - these three say what the architecture is
    classes: int,  # noqa: ARG001
    head_bias: bool,  # noqa: ARG001
    _network: public_network.PublicNetwork,
) -> tuple[LayerBudget, ...]:
    return layer_budget(_network.model, (3, _network.image_size, _network.image_size))


# Filled by a background job, whose visitors watch it work: no spinner. Two visitors of one scenario share the work.
@st.cache_resource(max_entries=16, show_spinner=False)
def _image_attack(
    scenario: Scenario,  # noqa: ARG001 - these two are the key
    classes: int,  # noqa: ARG001
    _attack: Callable[[], ImageRecovery],
) -> ImageRecovery:
    return _attack()


@dataclass(frozen=True)
class Stage:
    """What the attacks on one scenario's picture play on.

    Attributes:
        key: of the scenario, the visitor's own picture included.
        network: what both sides know.
        remember: runs the exact attack, or returns what it found before in this scenario.
        budget: counts each layer's unknowns and equations, from the picture to the head.
    """

    key: Hashable
    network: public_network.PublicNetwork
    remember: Callable[[Callable[[], ImageRecovery]], ImageRecovery]
    budget: Callable[[], tuple[LayerBudget, ...]]


def stage(scenario: Scenario, classes: int, own_image: torch.Tensor | None) -> Stage:
    """The stage of a scenario."""
    network = _network_of(scenario, classes)
    return Stage(
        key=(scenario, classes, None if own_image is None else _digest(own_image)),
        network=network,
        # A job remembers its own result; only one without a visitor's picture is shared.
        remember=lambda attack: attack() if own_image is not None else _image_attack(scenario, classes, attack),
        budget=lambda: _layer_budget(scenario.network, classes, scenario.head_bias, network),
    )


@st.cache_resource(max_entries=6, show_spinner=False)
def _film(job: int, dark: bool, _build: Callable[[], Film]) -> Film:  # noqa: ARG001 - the arguments are the key
    return _build()


@st.cache_resource(scope="session", max_entries=_PRIVATE, show_spinner=False)
def _private_film(job: int, dark: bool, _build: Callable[[], Film]) -> Film:  # noqa: ARG001
    return _build()


def film(job: int, dark: bool, build: Callable[[], Film], *, private: bool) -> Film:
    """Pictures and curves of a job's result, drawn once.

    Args:
        job: its number.
        dark: whether the page is dark.
        build: draws them.
        private: whether a visitor's own picture is among them: then they end with the visitor's tab.
    """
    return (_private_film if private else _film)(job, dark, build)
