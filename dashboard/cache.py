"""What the page remembers between redraws. Nothing here is ever modified after it was made.

What all visitors share never holds a picture of a visitor's own: that is remembered for its tab, and ends with it.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import streamlit as st
import torch

from dashboard.background.crew import Order, the_crew
from dashboard.background.question import Question, digest
from dashboard.background.tasks import SolverRace
from dashboard.drawing.pictures import picture_source
from gradinv_core.checkpoints import available_stages, describe_stage
from gradinv_core.datasets import ImageDataset, load_dataset
from gradinv_core.diagnosis import Diagnosis, diagnose
from gradinv_core.experiments.build import build_public_network
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import Scene, classes_of, play
from gradinv_core.experiments.server.attack import LabelAttack, attack_label
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.image_recovery.budget import LayerBudget, layer_budget
from gradinv_core.label_recovery.race import Racer

__all__ = [
    "PictureTask",
    "class_count",
    "dataset",
    "diagnosis",
    "film",
    "label_attack",
    "network_stages",
    "picture_task",
    "scene",
    "solver_race",
    "stage_title",
    "thumbnails",
]

Remembered = TypeVar("Remembered")
Drawn = TypeVar("Drawn")

_THUMBNAIL = 48
_PRIVATE = 2  # results with a picture of the visitor's own that a tab keeps
_opened: dict[tuple[str, int], ImageDataset] = {}


_by_content: dict[str | type[Any], Callable[[Any], Any]] = {torch.Tensor: digest}


def _per_scenario(entries: int, spinner: str) -> Callable[[Callable[..., Remembered]], Callable[..., Remembered]]:
    """Remember what a function of a scenario and the visitor's own picture returns.

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
        def call(scenario: Scenario, own_image: torch.Tensor | None, *rest: Any) -> Remembered:
            return (shared if own_image is None else private)(scenario, own_image, *rest)

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


def class_count(scenario: Scenario) -> int:
    """Number of classes of a scenario's label."""
    return classes_of(scenario, dataset)


# Two large networks weigh half a gigabyte: few are kept. Scenarios that differ in the client's secrets only share one.
@st.cache_resource(max_entries=4, show_spinner="Building the network …")
def _network(public: Scenario, classes: int) -> PublicNetwork:
    return build_public_network(public, classes)


# One step holds a gradient of every parameter: as heavy as the network itself.
@_per_scenario(3, "The client trains for one step …")
def scene(scenario: Scenario, own_image: torch.Tensor | None) -> Scene:
    """A scenario, played."""
    return play(scenario, own_image, images=dataset, build=_network)


# A head of a thousand classes and four thousand features weighs 60 MB.
@_per_scenario(6, "The server looks for λ …")
def label_attack(scenario: Scenario, own_image: torch.Tensor | None) -> LabelAttack:
    """What the server reads off the head in a scenario."""
    played = scene(scenario, own_image)
    return attack_label(played.network, played.gradients, played.announced)


@_per_scenario(6, "The server looks for the reason …")
def diagnosis(scenario: Scenario, own_image: torch.Tensor | None) -> Diagnosis:
    """Why the head of a scenario gives no certain answer, if it does not."""
    played = scene(scenario, own_image)
    return diagnose(played.network.model, played.gradients)


def solver_race(scenario: Scenario, own_image: torch.Tensor | None, bounded: bool) -> tuple[Racer, ...]:
    """Four solvers on the head of a scenario, all from the same start; none where the gradient vanished."""
    question = Question(scenario, own_image)
    with st.spinner("Four solvers look for λ …"):
        key, task = ("race", question.key, bounded), SolverRace(question, bounded)
        racers: tuple[Racer, ...] = the_crew().ask(Order(key, task, "race", keep=not question.private))
    return racers


@st.cache_resource(max_entries=16, show_spinner=False)
def _layer_budget(
    name: str,  # noqa: ARG001 - these three say what the architecture is
    classes: int,  # noqa: ARG001
    head_bias: bool,  # noqa: ARG001
    _network: PublicNetwork,
) -> tuple[LayerBudget, ...]:
    return layer_budget(_network.model, _network.image_shape)


# Filled by a background job, whose visitors watch it work: no spinner. A picture that takes longer is the crew's.
@st.cache_resource(max_entries=16, show_spinner=False)
def _image_attack(
    scenario: Scenario,  # noqa: ARG001 - it is the key
    _attack: Callable[[], ImageRecovery],
) -> ImageRecovery:
    return _attack()


@dataclass(frozen=True)
class PictureTask:
    """What the attacks on one scenario's picture work on.

    Attributes:
        question: which picture.
        scene: the scenario, played.
        remember: runs a quick exact attack, or returns what it found before in this scenario.
        budget: counts each layer's unknowns and equations, from the picture to the head.
    """

    question: Question
    scene: Scene
    remember: Callable[[Callable[[], ImageRecovery]], ImageRecovery]
    budget: Callable[[], tuple[LayerBudget, ...]]

    @property
    def key(self) -> Hashable:
        """Of the scenario, the visitor's own picture included."""
        return self.question.key

    @property
    def network(self) -> PublicNetwork:
        """What both sides know."""
        return self.scene.network


def picture_task(scenario: Scenario, own_image: torch.Tensor | None) -> PictureTask:
    """The task of a scenario."""
    played = scene(scenario, own_image)
    return PictureTask(
        question=Question(scenario, own_image),
        scene=played,
        # A job remembers its own result; only one without a visitor's picture is shared.
        remember=lambda attack: attack() if own_image is not None else _image_attack(scenario, attack),
        budget=lambda: _layer_budget(scenario.network, class_count(scenario), scenario.head_bias, played.network),
    )


@st.cache_resource(max_entries=6, show_spinner=False)
def _film(job: int, dark: bool, _build: Callable[[], Any]) -> Any:  # noqa: ARG001 - the arguments are the key
    return _build()


@st.cache_resource(scope="session", max_entries=_PRIVATE, show_spinner=False)
def _private_film(job: int, dark: bool, _build: Callable[[], Any]) -> Any:  # noqa: ARG001
    return _build()


def film(job: int, dark: bool, build: Callable[[], Drawn], *, private: bool) -> Drawn:
    """Pictures and curves of a job's result, drawn once.

    Args:
        job: its number.
        dark: whether the page is dark.
        build: draws them.
        private: whether a visitor's own picture is among them: then they end with the visitor's tab.
    """
    drawn: Drawn = (_private_film if private else _film)(job, dark, build)
    return drawn
