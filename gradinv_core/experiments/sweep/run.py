"""A sweep: one parameter of a scenario varied, many seeds each, and what the server recovers every time.

The attack gets the network and the gradients, as everywhere; only afterwards is its answer held against the client's
truth. Nothing here knows the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from gradinv_core.aware import InformedAnswer, attack_defended
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.build import build_public_network
from gradinv_core.experiments.client.own_photo import OwnPhoto, own_image
from gradinv_core.experiments.client.training_step import ClientStep
from gradinv_core.experiments.scenario import OWN_CLASS, Scenario
from gradinv_core.experiments.scene import BuildNetwork, OpenImages, Scene, open_images, play
from gradinv_core.experiments.server.attack import attack_image, certain_answer
from gradinv_core.experiments.sweep.batch import play_batch
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.likeness import likeness, visible
from gradinv_core.metrics import cosine_similarity, max_abs_error, psnr
from gradinv_core.networks import NETWORKS

__all__ = ["FAILED", "Sweep", "SweepPoint", "play_point", "repeat_scenario", "run_sweep"]

FAILED = "failed"
"""Status of a point at which the server had to give up."""

_SEEDS = 2**31
_KEPT = 2  # networks: the points of one repeat mostly share one, and a large one weighs a quarter of a gigabyte


@dataclass(frozen=True)
class SweepPoint:
    """One attack, judged.

    Attributes:
        position: index of the place on the axis.
        repeat: which repeat, from 0.
        scenario: exactly what was played; the Lab shows the same.
        label_error: largest error of a share in the soft label, None without an answer.
        top_1: whether the recovered label's largest share is at the right class.
        feature_cosine: cosine of the angle between the recovered feature and the true one, None without an answer.
        psnr: of the picture in decibels, as it is shown; None where it was not asked for or not found.
        recognised: whether that picture is recognisable, by `gradinv_core.likeness`.
        status: "unique", "ambiguous", "vanished" or `FAILED`.
        message: the server's sentence about it.
    """

    position: int
    repeat: int
    scenario: Scenario
    label_error: float | None = None
    top_1: bool = False
    feature_cosine: float | None = None
    psnr: float | None = None
    recognised: bool = False
    status: str = FAILED
    message: str = ""


@dataclass(frozen=True)
class Sweep:
    """What a sweep needs.

    Attributes:
        scenarios: one per place on the axis, as the first repeat plays them.
        repeats: how many networks and pictures per place.
        picture: whether to rebuild the picture, too.
        images: opens datasets, or remembers them.
        photo: of the visitor's own, played wherever a scenario asks for it.
    """

    scenarios: tuple[Scenario, ...]
    repeats: int
    picture: bool
    images: OpenImages = open_images
    photo: OwnPhoto | None = None

    @property
    def total(self) -> int:
        """Number of points."""
        return len(self.scenarios) * self.repeats


def repeat_scenario(scenario: Scenario, repeat: int, pictures: int) -> Scenario:
    """The same client another time: with the next seed, and the next of so many pictures.

    A photo of the visitor's own is the first picture; its class says nothing about those that follow.
    """
    if repeat and scenario.own_photo:
        scenario = replace(scenario, own_photo=False, target=OWN_CLASS)
    return replace(
        scenario,
        seed=(scenario.seed + repeat) % _SEEDS,
        image=(scenario.image + repeat) % pictures,
        partner=(scenario.partner + repeat) % pictures,
    )


def run_sweep(sweep: Sweep, on_point: Callable[[SweepPoint], None], stop: Callable[[], bool]) -> int:
    """Play every point, the whole axis once before any place is repeated.

    Args:
        sweep: what to play.
        on_point: called with every point as soon as it is judged.
        stop: asked between the points, and while a batch is taken apart or a picture rebuilt.

    Returns:
        How many points were played.
    """
    torch.set_num_threads(1)  # a setting of each thread: small layers beside a server gain nothing from more
    build: BuildNetwork = lru_cache(maxsize=_KEPT)(build_public_network)
    done = 0
    for position, repeat, scenario in _visits(sweep):
        point = None if stop() else play_point(sweep, scenario, position, repeat, stop, build)
        if point is None:
            break
        on_point(point)
        done += 1
    return done


def _visits(sweep: Sweep) -> Iterator[tuple[int, int, Scenario]]:
    """Every place once, then every place again: the first points already show the whole axis."""
    for repeat in range(sweep.repeats):
        for position, scenario in enumerate(sweep.scenarios):
            images = sweep.images(scenario.dataset, NETWORKS[scenario.network].image_size)
            yield position, repeat, repeat_scenario(scenario, repeat, len(images))


def play_point(
    sweep: Sweep,
    scenario: Scenario,
    position: int,
    repeat: int,
    stop: Callable[[], bool] = lambda: False,
    build: BuildNetwork = build_public_network,
) -> SweepPoint | None:
    """Play client and server once, and judge the server.

    Args:
        sweep: where the pictures come from, and whether to rebuild them.
        scenario: of this point.
        position: index of its place.
        repeat: number of its repeat.
        stop: asked while a batch is taken apart or a picture rebuilt.
        build: makes networks, or remembers them.

    Returns:
        The point; None where it was stopped before it was complete.
    """
    empty = SweepPoint(position, repeat, scenario)
    try:
        scene = play(scenario, own_image(scenario, sweep.photo), images=sweep.images, build=build)
    except ValueError as error:  # documented there: parts that do not fit, or shares that are no label
        return replace(empty, message=str(error))
    try:
        # Without the curve that the Lab draws: it would take most of the time.
        answer = attack_defended(scene.network.model, scene.gradients, scene.announced)
    except GradientInversionError as error:
        if scenario.samples > 1:
            return play_batch(empty, scene, sweep.picture, stop)
        return replace(empty, message=error.sentence)
    point = _judge(empty, answer.recovery, scene.client)
    if not sweep.picture or answer.recovery.status is Status.VANISHED:
        return point
    return _with_picture(point, scene, answer, stop)


def _judge(point: SweepPoint, recovery: LabelRecovery, client: ClientStep) -> SweepPoint:
    judged = replace(point, status=str(recovery.status), message=recovery.message)
    if recovery.status is Status.VANISHED:  # what stands in the label then was not recovered from anything
        return judged
    label, truth = recovery.label.numpy(), client.mean.label.numpy()
    return replace(
        judged,
        label_error=max_abs_error(label, truth),
        top_1=bool(label.argmax() == truth.argmax()),
        feature_cosine=cosine_similarity(recovery.feature, client.mean.feature),
    )


def _with_picture(
    point: SweepPoint, scene: Scene, answer: InformedAnswer, stop: Callable[[], bool]
) -> SweepPoint | None:
    """The same point, with the quality of the picture; where there is no way to it, the message says why."""
    known = certain_answer(answer.recovery, scene.announced)
    try:
        rebuilt = attack_image(scene.network, answer.gradients, known, stop=stop)
    except GradientInversionError as error:
        return replace(point, message=f"{point.message} No picture: {error.sentence}")
    if stop():  # half a picture must not be judged as a whole one
        return None
    shown, true = visible(rebuilt.image), scene.client.mean.image
    return replace(point, psnr=psnr(shown, true), recognised=likeness(shown, true).recognised)
