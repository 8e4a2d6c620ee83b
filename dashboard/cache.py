"""What the page remembers between redraws. Nothing here is ever modified after it was made.

What all visitors share never holds a picture of a visitor's own: that is remembered for its tab, and ends with it.
"""

import threading
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import streamlit as st
import torch

from dashboard.background.crew import Order, the_crew
from dashboard.background.kept import Kept
from dashboard.background.question import Question
from dashboard.background.tab import session_kept
from dashboard.background.tasks import SolverRace
from dashboard.drawing.pictures import picture_source
from gradinv_core.architecture import Part, network_parts
from gradinv_core.checkpoints import available_stages, describe_stage, stage_has_bias
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

_THUMBNAIL = 48
_shared = Kept(384 * 2**20)
_turn = threading.RLock()
_opened: dict[tuple[str, int], ImageDataset] = {}
_opening: dict[tuple[str, int], threading.Lock] = {}


def _remember(name: str, question: Question, find: Callable[[], Remembered], spinner: str = "") -> Remembered:
    """What is known about a question: among all visitors, or in this tab if the visitor's own picture is in it.

    Args:
        name: of what is asked.
        question: about which picture.
        find: finds it.
        spinner: what the page says meanwhile.
    """
    kept = session_kept() if question.private else _shared
    meanwhile = partial(st.spinner, spinner) if spinner else nullcontext
    return kept.get((name, question.key), partial(_in_turn, find), meanwhile)


def _in_turn(find: Callable[[], Remembered]) -> Remembered:
    """One computation at a time: many at once would hand Python's lock to and fro, and each would take longer."""
    with _turn:
        return find()


def dataset(name: str, size: int, progress: Callable[[float], None] | None = None) -> ImageDataset:
    """Open a dataset once per image size; a download reports its progress."""
    key = name, size
    if key not in _opened:
        with _opening.setdefault(key, threading.Lock()):  # a whole class may ask at once
            if key not in _opened:
                _opened[key] = load_dataset(name, size, progress=progress)
    return _opened[key]


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


@st.cache_data(show_spinner=False)
def stage_with_bias(name: str, stage: str) -> bool:
    """Whether a training stage's last layer has a bias, whose gradient may be sent or withheld."""
    return stage_has_bias(name, stage)


def class_count(scenario: Scenario) -> int:
    """Number of classes of a scenario's label."""
    return classes_of(scenario, dataset)


# Scenarios that differ in the client's secrets alone share a network.
def _network(public: Scenario, classes: int) -> PublicNetwork:
    return _shared.get(("network", public, classes), lambda: build_public_network(public, classes))


def scene(scenario: Scenario, own_image: torch.Tensor | None) -> Scene:
    """A scenario, played."""
    return _remember(
        "scene",
        Question(scenario, own_image),
        lambda: play(scenario, own_image, images=dataset, build=_network),
        "The client trains for one step …",
    )


def label_attack(scenario: Scenario, own_image: torch.Tensor | None) -> LabelAttack:
    """What the server reads off the head in a scenario."""
    played = scene(scenario, own_image)
    return _remember(
        "label",
        Question(scenario, own_image),
        lambda: attack_label(played.network, played.gradients, played.announced),
        "The server looks for λ …",
    )


def diagnosis(scenario: Scenario, own_image: torch.Tensor | None) -> Diagnosis:
    """Why the head of a scenario gives no certain answer, if it does not."""
    played = scene(scenario, own_image)
    return _remember(
        "diagnosis",
        Question(scenario, own_image),
        lambda: diagnose(played.network.model, played.gradients),
        "The server looks for the reason …",
    )


def solver_race(scenario: Scenario, own_image: torch.Tensor | None, bounded: bool) -> tuple[Racer, ...]:
    """Four solvers on the head of a scenario, all from the same start; none where the gradient vanished."""
    question = Question(scenario, own_image)
    with st.spinner("Four solvers look for λ …"):
        key, task = ("race", question.key, bounded), SolverRace(question, bounded)
        racers: tuple[Racer, ...] = the_crew().ask(Order(key, task, "race", keep=not question.private))
    return racers


@dataclass(frozen=True)
class PictureTask:
    """What the attacks on one scenario's picture work on.

    Attributes:
        question: which picture.
        scene: the scenario, played.
        remember: runs a quick exact attack, or returns what it found before in this scenario.
        budget: counts each layer's unknowns and equations, from the picture to the head.
        parts: how the network is put together, from the picture to the head.
    """

    question: Question
    scene: Scene
    remember: Callable[[Callable[[], ImageRecovery]], ImageRecovery]
    budget: Callable[[], tuple[LayerBudget, ...]]
    parts: Callable[[], tuple[Part, ...]]

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
    question, played = Question(scenario, own_image), scene(scenario, own_image)
    parameters = sum(one.numel() for one in played.network.model.parameters())  # tells a trained head's bias, too
    architecture = scenario.network, class_count(scenario), parameters
    return PictureTask(
        question=question,
        scene=played,
        remember=lambda attack: _remember("picture", question, attack),
        budget=lambda: _shared.get(
            ("layers", *architecture), lambda: layer_budget(played.network.model, played.network.image_shape)
        ),
        parts=lambda: _shared.get(("parts", *architecture), lambda: network_parts(played.network.model)),
    )


def film(subject: Hashable, dark: bool, build: Callable[[], Remembered], *, private: bool) -> Remembered:
    """Pictures and curves of a result, drawn once.

    Args:
        subject: what the result is of.
        dark: whether the page is dark.
        build: draws them.
        private: whether a visitor's own picture is among them: then they end with the visitor's tab.
    """
    return (session_kept() if private else _shared).get(("film", subject, dark), build)
