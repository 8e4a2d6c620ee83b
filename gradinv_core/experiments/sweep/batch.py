"""A point of a sweep with several pictures in one step: each is judged by itself, the step by the worst of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.client.pairing import batch_samples, pair_up
from gradinv_core.experiments.scene import Scene
from gradinv_core.experiments.server.batch import BatchAttack, attack_batch
from gradinv_core.label_recovery import Status
from gradinv_core.likeness import likeness, visible
from gradinv_core.metrics import max_abs_error, psnr

if TYPE_CHECKING:
    from gradinv_core.experiments.sweep.run import SweepPoint

__all__ = ["judge_samples", "play_batch"]


def play_batch(
    point: SweepPoint, scene: Scene, picture: bool, stop: Callable[[], bool] = lambda: False
) -> SweepPoint | None:
    """The point with what the server read of all samples: it counts as right where every one of them is.

    Args:
        point: without an answer.
        scene: the scenario, played.
        picture: whether to rebuild the pictures, too.
        stop: asked often.

    Returns:
        The point; None where it was stopped on the way.
    """
    try:
        attack = attack_batch(scene.network, scene.gradients, picture, stop=stop)
    except GradientInversionError as error:
        return replace(point, message=error.sentence)
    if stop():  # half an answer must not be judged as a whole one
        return None
    if not attack.recovery.unique:
        return replace(point, message=attack.recovery.message)
    return _worst(judge_samples(point, scene, attack), attack)


def judge_samples(point: SweepPoint, scene: Scene, attack: BatchAttack) -> list[SweepPoint]:
    """One point for each of the client's samples, judged by the answer nearest to it; without one where none is left.

    Args:
        point: without an answer.
        scene: the scenario, played.
        attack: what the server made of it.
    """
    answers, (labels, images) = attack.recovery, batch_samples(scene.client)
    points = []
    for place, number in enumerate(pair_up(scene.client, answers.labels, attack.images)):
        if number is None:
            points.append(point)
            continue
        answer = answers[number]
        judged = replace(
            point,
            status=str(answer.status),
            message=answer.message,
            label_error=max_abs_error(answer.label.numpy(), labels[place].numpy()),
            top_1=bool(answer.label.argmax() == labels[place].argmax()),
        )
        if attack.images is not None:
            shown = visible(attack.images[number])
            alike = likeness(shown, images[place]).recognised
            judged = replace(judged, psnr=psnr(shown, images[place]), recognised=alike)
        points.append(judged)
    return points


def _worst(points: Sequence[SweepPoint], attack: BatchAttack) -> SweepPoint:
    """All samples in one point. One without an answer of its own is not judged, and then the server is not sure."""
    found = [point for point in points if point.label_error is not None]
    sure = len(attack.recovery) == len(points) and all(point.status == Status.UNIQUE for point in points)
    why = "" if attack.why_none is None else f" No picture: {attack.why_none.sentence}"
    return replace(
        points[0],
        status=str(Status.UNIQUE if sure else Status.AMBIGUOUS),
        message=attack.recovery.message + why,
        label_error=max(point.label_error for point in found if point.label_error is not None),
        top_1=all(point.top_1 for point in found),
        psnr=min((point.psnr for point in found if point.psnr is not None), default=None),
        recognised=all(point.recognised for point in found),
    )
