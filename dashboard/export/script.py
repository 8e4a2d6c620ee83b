"""A run as a script: it plays the same scenario and prints the same numbers."""

from __future__ import annotations

from dashboard.export.numbers import Run
from gradinv_core.experiments.scenario import to_query

__all__ = ["script"]

_TEXT = '''\
"""Play one training step and attack its gradient, as the page did.

Run it with the Python that gradinv is installed in.{note}
"""

from gradinv_core.checkpoints import available_stages
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments import play
from gradinv_core.experiments.scenario import from_query
from gradinv_core.experiments.server.attack import attack_image, attack_label, certain_answer
from gradinv_core.metrics import max_abs_error, psnr, relative_error

QUERY = {query}

scenario, _ = from_query(QUERY, available_stages)
scene = play(scenario)

# The server gets the network and the gradient, and what was announced of defences. Nothing else.
attack = attack_label(scene.network, scene.gradients, scene.announced)
found, truth = attack.recovery, scene.client.mean
print(f"status: {{found.status}}")
print(f"lambda: {{found.scale!r}}")
print(f"largest error of the label: {{max_abs_error(found.label, truth.label)!r}}")
print(f"relative error of the feature: {{relative_error(found.feature, truth.feature)!r}}")

try:
    picture = attack_image(scene.network, attack.gradients, certain_answer(found, scene.announced))
except GradientInversionError as error:
    print(f"picture: {{error}}")
else:
    print(f"PSNR: {{psnr(picture.image, truth.image)!r}}")
'''
_OWN = " The page used a photo of your own, which stays with you: here the dataset's picture takes its place."


def script(run: Run) -> str:
    """Python source of the run."""
    return _TEXT.format(query=repr(to_query(run.scenario)), note=_OWN if run.scenario.own_photo else "")
