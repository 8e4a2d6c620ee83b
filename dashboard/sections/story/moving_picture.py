"""The picture beside the slider over lambda, where another lambda makes it brighter or darker and nothing else."""

from __future__ import annotations

from dashboard.cache import PictureTask
from dashboard.claims.picture import Rebuilt
from dashboard.drawing.pictures import picture_source
from dashboard.sections.story.view import LabView
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.server.attack import attack_image
from gradinv_core.image_recovery.scaling import scales_with_lambda
from gradinv_core.label_recovery import Status

__all__ = ["moving_picture"]


def moving_picture(view: LabView, task: PictureTask) -> str:
    """The picture at the recovered lambda, as a `data:` address; empty where lambda does more to it than brightness.

    Args:
        view: the solved scenario.
        task: it was played on; the picture is remembered there, and found again further down the page.
    """
    plain = not view.scenario.defences and not view.server.tampered and view.truth.pictures == 1
    found = view.attack.recovery
    if not plain or found.status is not Status.UNIQUE or not scales_with_lambda(task.network.model):
        return ""
    try:
        recovery = task.remember(lambda: attack_image(task.network, view.attack.gradients))
    except GradientInversionError:
        return ""
    return picture_source(Rebuilt(view.server, recovery).shown)
