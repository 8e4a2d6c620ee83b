"""The work of the page's background jobs: each function returns what a `Job` runs in its thread.

What takes longer than a moment is handed to the crew; the job's thread waits in line for it and relays what comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import nn

from dashboard.address.search_settings import LABEL_CHOICES, SearchSettings
from dashboard.background.crew import Lane, Order, the_crew
from dashboard.background.crew.worker import Task
from dashboard.background.jobs import Job
from dashboard.background.question import Question
from dashboard.background.tasks import (
    BatchDescent,
    BatchReading,
    Comparison,
    ExactPicture,
    FeaturesFound,
    Matching,
    SearchStep,
    SweepPoints,
)
from dashboard.cache import PictureTask
from gradinv_core.batch_recovery import Obstacle
from gradinv_core.batch_recovery.pictures import BatchStep
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.server.attack import LabelAttack, attack_image, certain_answer
from gradinv_core.experiments.server.batch import BatchAttack, attack_batch
from gradinv_core.experiments.sweep.run import Sweep, SweepPoint
from gradinv_core.image_recovery import ImageRecovery, Step
from gradinv_core.image_recovery.chain import network_chain
from gradinv_core.image_recovery.graph.recover import plan_network

__all__ = [
    "Search",
    "a_moment",
    "batch_work",
    "comparison_work",
    "exact_work",
    "patience",
    "reading_work",
    "search_work",
    "sweep_work",
]

_PATIENCE = 0.4
_lanes: WeakKeyDictionary[nn.Module, Lane | None] = WeakKeyDictionary()
_RATE = 0.1
_POLISH_RATE = 1e-3
"""Learning rate from a picture that is nearly right: the usual one would throw it away in the first step."""
_LABEL_MODES = {"recovered": "recovered", "true": "given", "hard": "hard", "learned": "learned"}


@dataclass(frozen=True)
class Search:
    """What a search needs.

    Attributes:
        question: which picture.
        settings: of the page.
        found_label: (C,) the label the server has recovered already, None to leave that to the search.
        start: (3, h, w) picture to start from, None for noise.
        earlier: steps of the search that this one goes on from.
        spent: seconds that the search before took.
    """

    question: Question
    settings: SearchSettings
    found_label: torch.Tensor | None = None
    start: torch.Tensor | None = None
    earlier: tuple[Step, ...] = ()
    spent: float = 0.0

    @property
    def done(self) -> int:
        """Iterations behind it."""
        return max((step.iteration or 0 for step in self.earlier), default=0)

    @property
    def total(self) -> int:
        """Iterations when it is over: those that are left, or as many again."""
        planned = self.settings.iterations
        return planned if self.done < planned else self.done + planned

    def matching(self, label: str = "") -> Matching:
        """What is left of it to do, with the label of the settings or another of `LABEL_CHOICES`."""
        settings, label = self.settings, label or self.settings.label
        options = {
            "distance": settings.distance,
            "total_variation": settings.total_variation,
            "optimizer": settings.optimizer,
            "iterations": self.total - self.done,
            "learning_rate": self._learning_rate,
            "label_mode": _LABEL_MODES[label],
        }
        found = self.found_label if label == "recovered" else None
        return Matching(self.question, options, told=label == "true", found_label=found, start=self.start)

    @property
    def _learning_rate(self) -> float:
        """Where the schedule of the search it goes on from stood; small from a picture that is already good."""
        if self.done:
            share = self.done / self.settings.iterations
            return max(_RATE * 0.1 ** sum(share >= milestone for milestone in (3 / 8, 5 / 8, 7 / 8)), _POLISH_RATE)
        return _POLISH_RATE if self.start is not None else _RATE

    def order(self, what: str, task: Task) -> Order:
        """The search, or several like it, as an order; nobody else has the picture from which one may go on."""
        question = self.question
        key = None if self.start is not None else (what, question.key, self.settings, self.found_label is None)
        kind = f"{what} through {question.scenario.network}"
        return Order(key, task, kind, Lane.LONG, keep=not question.private)


def a_moment() -> float:
    """Seconds that a page waits for what is mostly there at once, before it shows it at work."""
    return _PATIENCE


def patience(network: PublicNetwork) -> float:
    """Seconds that a page waits for the exact route before it shows it at work.

    The picture of a fully connected network or of a transformer is there before anybody could look, and so is the
    answer that there is no such route; through convolutions it takes seconds, and the page would stand still for
    nothing.
    """
    return a_moment() if _lane(network) is None else 0.0


def _lane(network: PublicNetwork) -> Lane | None:
    """Which line the exact route stands in: a long walk where layers branch; none where it is there at once."""
    model, shape = network.model, network.image_shape
    if model not in _lanes:
        try:
            convolves = any(isinstance(link.module, nn.Conv2d) for link in network_chain(model, shape))
            _lanes[model] = Lane.SHORT if convolves else None
        except GradientInversionError:
            _lanes[model] = Lane.LONG if _has_a_walk(network) else None
    return _lanes[model]


def _has_a_walk(network: PublicNetwork) -> bool:
    try:
        plan_network(network.model, network.image_shape, None)
    except GradientInversionError:
        return False
    return True


def exact_work(task: PictureTask, attack: LabelAttack) -> Callable[[Job[Step, ImageRecovery]], ImageRecovery]:
    """The exact route, layer by layer: at once where that is quicker than asking for it, else by the crew.

    Args:
        task: the scenario it attacks.
        attack: what the server has read off the last layer.
    """
    question = task.question

    def at_once(job: Job[Step, ImageRecovery]) -> ImageRecovery:
        torch.set_num_threads(1)  # a setting of each thread: small layers beside a server gain nothing from more
        known = certain_answer(attack.recovery, task.scene.announced)

        def report(step: Step) -> None:
            job.check()
            job.report(step)

        def rebuild() -> ImageRecovery:
            recovery = attack_image(task.network, attack.gradients, known, report, job.stopping)
            job.check()  # half an answer must not be remembered as one
            return recovery

        return task.remember(rebuild)

    def by_the_crew(job: Job[Step, ImageRecovery]) -> ImageRecovery:
        kind = f"picture through {task.network.name}"
        lane = _lane(task.network) or Lane.SHORT
        order = Order(("picture", question.key), ExactPicture(question), kind, lane, keep=not question.private)
        recovery: ImageRecovery = the_crew().carry(job, order)
        return recovery

    return at_once if patience(task.network) else by_the_crew


def reading_work(task: PictureTask) -> Callable[[Job[FeaturesFound, BatchAttack]], BatchAttack]:
    """Labels and features of a batch: at once where that takes but a moment, else by the crew.

    Args:
        task: the scenario it attacks.
    """

    def work(job: Job[FeaturesFound, BatchAttack]) -> BatchAttack:
        at_once = _read_at_once(task, job)
        if at_once is not None:
            return at_once
        question = task.question
        kind = f"labels of {question.scenario.samples} pictures through {task.network.name}"
        order = Order(("batch labels", question.key), BatchReading(question), kind, keep=not question.private)
        read: BatchAttack = the_crew().carry(job, order)
        return read

    return work


def _read_at_once(task: PictureTask, job: Job[FeaturesFound, BatchAttack]) -> BatchAttack | None:
    """What can be read in the moment that the page waits; None where that is too short."""
    torch.set_num_threads(1)
    until = time.monotonic() + _PATIENCE
    attack = attack_batch(
        task.network, task.scene.gradients, pictures=False, stop=lambda: job.stopping() or time.monotonic() > until
    )
    return None if attack.recovery.obstacle is Obstacle.STOPPED else attack


def batch_work(task: PictureTask, attack: BatchAttack) -> Callable[[Job[BatchStep, BatchAttack]], BatchAttack]:
    """All pictures of a batch, by the crew.

    Args:
        task: the scenario it attacks.
        attack: the labels and features that the server has read off the last layer.
    """

    def work(job: Job[BatchStep, BatchAttack]) -> BatchAttack:
        question = task.question
        kind = f"{question.scenario.samples} pictures through {task.network.name}"
        key, descent = ("batch pictures", question.key), BatchDescent(question, attack.recovery)
        order = Order(key, descent, kind, _lane(task.network) or Lane.SHORT, keep=not question.private)
        found: BatchAttack = the_crew().carry(job, order)
        return found

    return work


def search_work(search: Search) -> Callable[[Job[Step, ImageRecovery]], ImageRecovery]:
    """One gradient matching, from noise, from a picture, or on from where it was stopped."""

    def work(job: Job[Step, ImageRecovery]) -> ImageRecovery:
        for step in search.earlier:
            job.report(step)
        order = search.order("matching", search.matching())
        result = the_crew().carry(job, order, relay=lambda step: job.report(_later(step, search.done)))
        steps = (*search.earlier, *(_later(step, search.done) for step in result.steps))
        return replace(result, steps=steps, seconds=search.spent + result.seconds)

    return work


def comparison_work(search: Search) -> Callable[[Job[SearchStep, dict[str, ImageRecovery]]], dict[str, ImageRecovery]]:
    """The same search four times, each with another label and all from the same noise."""
    order = search.order("comparison", Comparison({label: search.matching(label) for label in LABEL_CHOICES}))
    return lambda job: the_crew().carry(job, order)


def sweep_work(sweep: Sweep) -> Callable[[Job[SweepPoint, int]], int]:
    """A sweep; it reports every point, and returns how many there are."""
    key = None if sweep.photo is not None else ("sweep", sweep.scenarios, sweep.repeats, sweep.picture)
    order = Order(key, SweepPoints(sweep), "sweep", Lane.LONG)
    return lambda job: the_crew().carry(job, order)


def _later(step: Step, iterations: int) -> Step:
    """The step as one of a longer search."""
    return step if step.iteration is None else replace(step, iteration=step.iteration + iterations)
