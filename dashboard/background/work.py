"""The work of the page's background jobs: the exact route, one search, four of them side by side, a sweep.

Each function returns what a `Job` runs in its thread. But for the sweep they call `gradinv_core.experiments.server`
alone; the one thing from the client's half that may enter is the label, where the visitor asks what a server that knew
it could do.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from dashboard.address.search_settings import LABEL_CHOICES, SearchSettings
from dashboard.background.jobs import Job
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.experiments.server.attack import attack_image, search_image
from gradinv_core.experiments.sweep.run import Sweep, SweepPoint, run_sweep
from gradinv_core.image_recovery import ImageRecovery, Step
from gradinv_core.image_recovery.chain import network_chain
from gradinv_core.label_recovery import LabelRecovery

__all__ = ["Search", "SearchStep", "comparison_work", "exact_work", "patience", "search_work", "sweep_work"]

_POLISH_RATE = 1e-3
"""Learning rate from a picture that is nearly right: the usual 0.1 would throw it away in the first step."""
_RATE = 0.1
_PATIENCE = 0.4
_SNAPSHOTS, _FEW_SNAPSHOTS = 240, 120  # often enough to watch even a slow network move; the film takes fewer
_SMALL = 64  # pixels: side of a picture of which many weigh nothing
_LABEL_MODES = {"recovered": "recovered", "true": "given", "hard": "hard", "learned": "learned"}


@dataclass(frozen=True)
class Search:
    """What a search needs.

    Attributes:
        network: the public network.
        gradients: what left the device.
        settings: of the page.
        seed: of the noise it starts from.
        known_label: (C,) the client's label, used where the settings say "true" and nowhere else.
        found_label: (C,) the label the server has recovered already, None to leave that to the search.
        start: (3, h, w) picture to start from, None for noise.
        earlier: steps of the search that this one goes on from.
        spent: seconds that the search before took.
    """

    network: PublicNetwork
    gradients: Gradients
    settings: SearchSettings
    seed: int
    known_label: torch.Tensor
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


@dataclass(frozen=True)
class SearchStep:
    """A step of one of several searches.

    Attributes:
        label: which label that search uses, of `LABEL_CHOICES`.
        step: what it reached.
    """

    label: str
    step: Step


def patience(network: PublicNetwork) -> float:
    """Seconds that a page waits for the exact route before it shows it at work.

    The picture of a fully connected network is there before anybody could look, and so is the answer that there is no
    such route; through convolutions it takes seconds, and the page would stand still for nothing.
    """
    try:
        links = network_chain(network.model, network.image_shape)
    except GradientInversionError:
        return _PATIENCE
    return 0.0 if any(isinstance(link.module, nn.Conv2d) for link in links) else _PATIENCE


def exact_work(
    network: PublicNetwork,
    gradients: Gradients,
    remember: Callable[[Callable[[], ImageRecovery]], ImageRecovery],
    answer: LabelRecovery | None = None,
) -> Callable[[Job[Step, ImageRecovery]], ImageRecovery]:
    """The exact route, layer by layer.

    Args:
        network: the public network.
        gradients: what left the device.
        remember: calls what it is given, or returns what an earlier call of the same scenario returned.
        answer: label and feature the server is sure of, None to look for them here.
    """

    def work(job: Job[Step, ImageRecovery]) -> ImageRecovery:
        torch.set_num_threads(1)  # a setting of each thread: small layers beside a server gain nothing from more

        def report(step: Step) -> None:
            job.check()
            job.report(step)

        def attack() -> ImageRecovery:
            recovery = attack_image(network, gradients, answer, report, job.stopping)
            job.check()  # half an answer must not be remembered as one
            return recovery

        return remember(attack)

    return work


def search_work(search: Search) -> Callable[[Job[Step, ImageRecovery]], ImageRecovery]:
    """One gradient matching, from noise, from a picture, or on from where it was stopped."""

    def work(job: Job[Step, ImageRecovery]) -> ImageRecovery:
        torch.set_num_threads(1)
        for step in search.earlier:
            job.report(step)
        result = _run(search, lambda step: job.report(_later(step, search.done)), job.stopping)
        steps = (*search.earlier, *(_later(step, search.done) for step in result.steps))
        return replace(result, steps=steps, seconds=search.spent + result.seconds)

    return work


def comparison_work(search: Search) -> Callable[[Job[SearchStep, dict[str, ImageRecovery]]], dict[str, ImageRecovery]]:
    """The same search four times, each with another label and all from the same noise."""

    def work(job: Job[SearchStep, dict[str, ImageRecovery]]) -> dict[str, ImageRecovery]:
        torch.set_num_threads(1)
        results: dict[str, ImageRecovery] = {}
        for label in LABEL_CHOICES:
            if job.stopping():
                break
            part = replace(search, settings=replace(search.settings, label=label))
            results[label] = _run(part, partial(_report, job, label), job.stopping)
        return results

    return work


def sweep_work(sweep: Sweep) -> Callable[[Job[SweepPoint, int]], int]:
    """A sweep; it reports every point, and returns how many there are."""
    return lambda job: run_sweep(sweep, job.report, job.stopping)


def _report(job: Job[SearchStep, dict[str, ImageRecovery]], label: str, step: Step) -> None:
    job.report(SearchStep(label, step))


def _run(search: Search, on_step: Callable[[Step], None], stop: Callable[[], bool]) -> ImageRecovery:
    settings = search.settings
    options = {
        "distance": settings.distance,
        "total_variation": settings.total_variation,
        "optimizer": settings.optimizer,
        "iterations": search.total - search.done,
        "learning_rate": _learning_rate(search),
        "label_mode": _LABEL_MODES[settings.label],
        "snapshots": _SNAPSHOTS if search.network.image_size <= _SMALL else _FEW_SNAPSHOTS,
    }
    result = search_image(
        search.network,
        search.gradients,
        options,
        label={"recovered": search.found_label, "true": search.known_label}.get(settings.label),
        start=search.start,
        on_step=lambda step: on_step(_light(step)),
        stop=stop,
        seed=search.seed,
    )
    return replace(result, steps=tuple(_light(step) for step in result.steps))


def _light(step: Step) -> Step:
    """The step in the search's own number type, at half the weight: hundreds of them are kept."""
    return replace(step, value=step.value.float())


def _learning_rate(search: Search) -> float:
    """Where the schedule of the search it goes on from stood; small from a picture that is already good."""
    if search.earlier:
        share = search.done / search.settings.iterations
        return max(_RATE * 0.1 ** sum(share >= milestone for milestone in (3 / 8, 5 / 8, 7 / 8)), _POLISH_RATE)
    return _POLISH_RATE if search.start is not None else _RATE


def _later(step: Step, iterations: int) -> Step:
    """The step as one of a longer search."""
    return step if step.iteration is None else replace(step, iteration=step.iteration + iterations)
