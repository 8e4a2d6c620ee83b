"""One scenario as far as a page asks for it: the client's step, the server's answer, and the picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar

import torch

from dashboard import cache
from dashboard.sections.story.view import ClientView, LabView
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.server.attack import attack_image, certain_answer
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.likeness import Likeness, likeness

__all__ = ["Material"]

Made = TypeVar("Made")


class Material:
    """One scenario; everything is worked out when it is first asked for, and remembered as on every page.

    Args:
        scenario: of the client.
        dark: whether the page is dark.
        own_image: picture of the visitor's own, None for the dataset's.
    """

    def __init__(self, scenario: Scenario, dark: bool, own_image: torch.Tensor | None = None) -> None:
        self.scenario, self.dark, self._own_image = scenario, dark, own_image
        self._made: dict[Callable[[Material], Any], Any] = {}

    def once(self, work: Callable[[Material], Made]) -> Made:
        """What some work makes of this material: done when first asked for, then remembered."""
        if work not in self._made:
            self._made[work] = work(self)
        made: Made = self._made[work]
        return made

    @cached_property
    def client(self) -> ClientView:
        """Before the server looks."""
        return ClientView(self.scenario, cache.scene(self.scenario, self._own_image), self.dark)

    @cached_property
    def lab(self) -> LabView:
        """With the server's answer.

        Raises:
            GradientInversionError: the server gets nowhere.
        """
        attack = cache.label_attack(self.scenario, self._own_image)
        diagnosis = cache.diagnosis(self.scenario, self._own_image)
        return LabView(self.scenario, self.client.scene, self.dark, attack, diagnosis)

    @cached_property
    def task(self) -> cache.PictureTask:
        """What the attacks on the picture work on."""
        return cache.picture_task(self.scenario, self._own_image)

    def recovery(self) -> ImageRecovery:
        """The picture through fully connected layers, which takes a moment.

        Raises:
            GradientInversionError: there is no way to it.
        """
        attack = self.lab.attack

        def attacked() -> ImageRecovery:
            answer = certain_answer(attack.recovery, self.client.scene.announced)
            return attack_image(self.task.network, attack.gradients, answer)

        return self.task.remember(attacked)

    def likeness(self) -> Likeness:
        """How alike that picture is; not at all where there is none."""
        try:
            return likeness(self.recovery().image, self.client.truth.image)
        except GradientInversionError:
            return Likeness.NOT

    def kept_of(self, honest: Material) -> float:
        """How much of the honest gradient's direction is left in what was sent: their cosine, the withheld as zero."""
        before, after = honest.client.scene.gradients, self.client.scene.gradients
        product = sum(
            float((value.double() * after[name].double()).sum()) for name, value in before.items() if name in after
        )
        sizes = [
            sum(float(value.double().square().sum()) for value in each.values()) ** 0.5 for each in (before, after)
        ]
        return product / (sizes[0] * sizes[1]) if all(sizes) else 0.0
