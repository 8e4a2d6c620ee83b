"""What a lesson's step gets to see, and the form of its answer, which is computed from the scenario it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from dashboard import cache
from dashboard.sections.lab.view import ClientView, LabView
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.server.attack import attack_image, certain_answer
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.metrics import psnr

__all__ = ["Answer", "Answering", "Material"]


@dataclass(frozen=True)
class Answer:
    """What is true of a question.

    Attributes:
        choice: which of the choices.
        because: one or two sentences, with the numbers of this very gradient.
    """

    choice: int
    because: str


class Material:
    """One step's scenario, as far as somebody asks for it.

    Args:
        scenario: of the step.
        dark: whether the page is dark.
    """

    def __init__(self, scenario: Scenario, dark: bool) -> None:
        self.scenario, self.dark = scenario, dark

    @cached_property
    def client(self) -> ClientView:
        """Before the server looks."""
        return ClientView(self.scenario, cache.scene(self.scenario, None), self.dark)

    @cached_property
    def lab(self) -> LabView:
        """With the server's answer.

        Raises:
            GradientInversionError: the server gets nowhere.
        """
        attack, diagnosis = cache.label_attack(self.scenario, None), cache.diagnosis(self.scenario, None)
        return LabView(self.scenario, self.client.scene, self.dark, attack, diagnosis)

    @cached_property
    def task(self) -> cache.PictureTask:
        """What the attacks on the picture work on."""
        return cache.picture_task(self.scenario, None)

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

    def decibels(self) -> float | None:
        """PSNR of that picture; None where there is none."""
        try:
            return psnr(self.recovery().image, self.client.truth.image)
        except GradientInversionError:
            return None


Answering: TypeAlias = Callable[[Material], Answer]
