"""What a worker does: play a scenario, and attack it. Everything here travels to another process, and back.

A task says which scenario it is about; the worker plays it again, which takes less than sending a network. But for the
sweep and the race a task calls `gradinv_core.experiments.server` alone; the one thing from the client's half that may
enter is the label, where the visitor asks what a server that knew it could do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar

import torch

from dashboard.background.crew.worker import Report, Stopping
from dashboard.background.jobs import JobStoppedError
from dashboard.background.question import Question
from gradinv_core.batch_recovery import BatchRecovery
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import Scene, play
from gradinv_core.experiments.server.attack import attack_image, attack_label, certain_answer, search_image
from gradinv_core.experiments.server.batch import BatchAttack, attack_batch, attack_batch_pictures
from gradinv_core.experiments.sweep.run import Sweep, run_sweep
from gradinv_core.image_recovery import ImageRecovery, Step
from gradinv_core.label_recovery.race import Racer, race

__all__ = [
    "BatchDescent",
    "BatchReading",
    "Comparison",
    "ExactPicture",
    "FeaturesFound",
    "Matching",
    "SearchStep",
    "SolverRace",
    "SweepPoints",
]

Answer = TypeVar("Answer")

_SNAPSHOTS, _FEW_SNAPSHOTS = 240, 120  # often enough to watch even a slow network move; the film takes fewer
_SMALL = 64  # pixels: side of a picture of which many weigh nothing


@lru_cache(maxsize=2)
def _public_scene(scenario: Scenario) -> Scene:
    return play(scenario)


def _scene(question: Question) -> Scene:
    """The scenario, played; one with a visitor's own picture is not remembered."""
    return play(question.scenario, question.own_image) if question.private else _public_scene(question.scenario)


def _whole(answer: Answer, stopping: Stopping) -> Answer:
    """The answer, unless the work was stopped: half of one must not be taken for it."""
    if stopping():
        raise JobStoppedError
    return answer


@dataclass(frozen=True, eq=False)
class ExactPicture:
    """The exact route, layer by layer; reports every `Step`."""

    question: Question

    def __call__(self, report: Report, stopping: Stopping) -> ImageRecovery:
        """Play, and walk back through the layers."""
        torch.set_num_threads(1)
        scene = _scene(self.question)
        attack = attack_label(scene.network, scene.gradients, scene.announced)
        answer = certain_answer(attack.recovery, scene.announced)
        recovery = attack_image(scene.network, attack.gradients, answer, report, stopping)
        return _whole(recovery, stopping)


@dataclass(frozen=True)
class FeaturesFound:
    """News of a batch that is taken apart.

    Attributes:
        found: features so far.
        of: so many that stand out of the gradient.
    """

    found: int
    of: int


@dataclass(frozen=True, eq=False)
class BatchReading:
    """Labels and features of a batch, read off the last layer; reports `FeaturesFound`."""

    question: Question

    def __call__(self, report: Report, stopping: Stopping) -> BatchAttack:
        """Play, and take the pictures apart."""
        torch.set_num_threads(1)
        scene = _scene(self.question)
        attack = attack_batch(
            scene.network,
            scene.gradients,
            pictures=False,
            on_progress=lambda found, of: report(FeaturesFound(found, of)),
            stop=stopping,
        )
        return _whole(attack, stopping)


@dataclass(frozen=True, eq=False)
class BatchDescent:
    """All pictures of a batch, layer by layer; reports every `BatchStep`.

    Attributes:
        question: which pictures.
        recovery: their labels and features, as the server has read them already.
    """

    question: Question
    recovery: BatchRecovery

    def __call__(self, report: Report, stopping: Stopping) -> BatchAttack:
        """Play, and walk back through the layers with all samples at once."""
        torch.set_num_threads(1)
        scene = _scene(self.question)
        attack = attack_batch_pictures(scene.network, scene.gradients, BatchAttack(self.recovery), report, stopping)
        return _whole(attack, stopping)


@dataclass(frozen=True)
class SearchStep:
    """A step of one of several searches.

    Attributes:
        label: which label that search uses.
        step: what it reached.
    """

    label: str
    step: Step


@dataclass(frozen=True, eq=False)
class Matching:
    """One gradient matching; reports every `Step`.

    Attributes:
        question: which picture.
        options: of the search, fields of `gradinv_core.image_recovery.MatchingOptions`; snapshots aside.
        told: whether the server is given the client's label, which no server has.
        found_label: (C,) the label the server has recovered already, None to leave that to the search.
        start: (3, h, w) picture to start from, None for noise.
    """

    question: Question
    options: Mapping[str, Any]
    told: bool = False
    found_label: torch.Tensor | None = None
    start: torch.Tensor | None = None

    def __call__(self, report: Report, stopping: Stopping) -> ImageRecovery:
        """Play, and search."""
        torch.set_num_threads(1)
        scene = _scene(self.question)
        attack = attack_label(scene.network, scene.gradients, scene.announced)
        snapshots = _SNAPSHOTS if scene.network.image_size <= _SMALL else _FEW_SNAPSHOTS
        result = search_image(
            scene.network,
            attack.gradients,
            {**self.options, "snapshots": snapshots},
            label=scene.client.sample.label if self.told else self.found_label,
            start=self.start,
            on_step=lambda step: report(_light(step)),
            stop=stopping,
            seed=self.question.scenario.seed,
        )
        return replace(result, steps=tuple(_light(step) for step in result.steps))


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several searches, one after the other; reports every `SearchStep`.

    Attributes:
        searches: label -> the search with it.
    """

    searches: Mapping[str, Matching]

    def __call__(self, report: Report, stopping: Stopping) -> dict[str, ImageRecovery]:
        """Search once with each label."""
        results: dict[str, ImageRecovery] = {}
        for label, search in self.searches.items():
            if stopping():
                break
            results[label] = search(_labelled(report, label), stopping)
        return results


@dataclass(frozen=True, eq=False)
class SolverRace:
    """Four solvers on the head of a scenario, all from the same start; none where the gradient vanished."""

    question: Question
    bounded: bool

    def __call__(self, _report: Report, _stopping: Stopping) -> tuple[Racer, ...]:
        """Play, and let them race."""
        scene = _scene(self.question)
        head = attack_label(scene.network, scene.gradients, scene.announced).head
        return () if head.vanished[0] else race(head, bounded=self.bounded)


@dataclass(frozen=True, eq=False)
class SweepPoints:
    """A sweep; reports every `SweepPoint`, and returns how many there are."""

    sweep: Sweep

    def __call__(self, report: Report, stopping: Stopping) -> int:
        """Play point after point."""
        return run_sweep(self.sweep, report, stopping)


def _labelled(report: Report, label: str) -> Callable[[Step], Any]:
    return lambda step: report(SearchStep(label, step))


def _light(step: Step) -> Step:
    """The step in the search's own number type, at half the weight: hundreds of them are kept."""
    return replace(step, value=step.value.float())
