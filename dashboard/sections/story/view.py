"""What every step of the story gets to see: one scenario before, and after, the server has looked at it."""

from dataclasses import dataclass

from dashboard.claims import Server, Truth
from dashboard.figures.base import name_classes
from gradinv_core.diagnosis import Diagnosis
from gradinv_core.experiments.client.training_step import ClientStep
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import Scene
from gradinv_core.experiments.server.attack import LabelAttack

__all__ = ["ClientView", "LabView"]


@dataclass(frozen=True)
class ClientView:
    """One scenario, before the server looks at what it got.

    Attributes:
        scenario: what was asked for.
        scene: the scenario, played, with the truth.
        dark: whether the page is dark.
    """

    scenario: Scenario
    scene: Scene
    dark: bool

    @property
    def client(self) -> ClientStep:
        """The client's side, with the truth."""
        return self.scene.client

    @property
    def class_names(self) -> list[str]:
        """(C,) names; numbers for classes beyond those of the dataset."""
        return name_classes(self.client.class_names, self.client.sample.label.numel())

    @property
    def truth(self) -> Truth:
        """What answers are held against."""
        return Truth(self.client)


@dataclass(frozen=True)
class LabView(ClientView):
    """One scenario with the server's answer.

    Attributes:
        attack: the server's side, found without the truth.
        diagnosis: what the server itself says stands in its way, if anything does.
    """

    attack: LabelAttack
    diagnosis: Diagnosis

    @property
    def server(self) -> Server:
        """All that the server's sentences rest on."""
        return Server(self.attack, self.diagnosis, bool(self.scene.announced))
