"""A point of a sweep with several pictures in one step: what the server takes apart, judged by the worst of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.client.pairing import batch_samples, pair_up
from gradinv_core.experiments.scene import Scene
from gradinv_core.experiments.server.batch import attack_batch
from gradinv_core.label_recovery import Status
from gradinv_core.likeness import likeness, visible
from gradinv_core.metrics import max_abs_error, psnr

if TYPE_CHECKING:
    from gradinv_core.experiments.sweep.run import SweepPoint

__all__ = ["play_batch"]


def play_batch(point: SweepPoint, scene: Scene, picture: bool) -> SweepPoint:
    """The point with what the server read of all samples: it counts as right where every one of them is.

    Args:
        point: without an answer.
        scene: the scenario, played.
        picture: whether to rebuild the pictures, too.
    """
    try:
        attack = attack_batch(scene.network, scene.gradients, picture)
    except GradientInversionError as error:
        return replace(point, message=error.sentence)
    answers, (true, own) = attack.recovery, batch_samples(scene.client)
    if not answers.unique:
        return replace(point, message=answers.message)
    pairs = pair_up(scene.client, answers.labels, attack.images)
    found = [(place, answer) for place, answer in enumerate(pairs) if answer is not None]
    judged = replace(
        point,
        status=str(Status.UNIQUE if answers.unique == len(answers) == len(true) else Status.AMBIGUOUS),
        message=answers.message,
        label_error=max(max_abs_error(answers[answer].label.numpy(), true[place].numpy()) for place, answer in found),
        top_1=all(bool(answers[answer].label.argmax() == true[place].argmax()) for place, answer in found),
    )
    if attack.images is None:
        why = "" if attack.why_none is None else f" No picture: {attack.why_none.sentence}"
        return replace(judged, message=judged.message + why)
    shown = [(visible(attack.images[answer]), own[place]) for place, answer in found]
    return replace(
        judged,
        psnr=min(psnr(image, true_image) for image, true_image in shown),
        recognised=all(likeness(image, true_image).recognised for image, true_image in shown),
    )
