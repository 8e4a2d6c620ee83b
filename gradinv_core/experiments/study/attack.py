"""Play one sample: the client's step, every solver's answer to it, and only then the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import torch

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.diagnosis import Cause, diagnose
from gradinv_core.experiments.build import build_public_network
from gradinv_core.experiments.public_network import PublicNetwork
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import BuildNetwork, Scene, play
from gradinv_core.experiments.server.image_solvers import ask_for_image
from gradinv_core.experiments.server.label_solvers import LabelQuestion, ask_for_label
from gradinv_core.experiments.study.plan import Sample
from gradinv_core.experiments.study.provenance import Provenance, provenance
from gradinv_core.experiments.sweep.summary import RIGHT
from gradinv_core.label_recovery import Status
from gradinv_core.likeness import likeness, visible
from gradinv_core.metrics import max_abs_error, psnr, ssim

__all__ = ["CERTAIN", "Played", "play_sample"]

CERTAIN = 1 - 1e-6
"""A prediction beyond this is one-hot in float32: then every larger lambda predicts the same, and the last layer alone
does not identify the label."""

_NETWORKS_KEPT = 2  # of each process; a large one weighs a quarter of a gigabyte


@dataclass(frozen=True)
class Played:
    """A sample and what became of it; numbers and words only, so that it travels.

    Attributes:
        sample: what was played.
        key: see `Sample.key`.
        provenance: code, versions and machine that played it.
        seconds: wall time, the client's and the judge's included.
        outcome: what was measured: numbers of the sample, and under each solver's name those of its answer.
        error: why it could not be played, in one sentence; empty where it was.
    """

    sample: Sample
    key: str
    provenance: Provenance
    seconds: float
    outcome: dict[str, Any]
    error: str = ""


def play_sample(sample: Sample, device: str = "cpu") -> Played:
    """Play it. Whatever goes wrong is data.

    Args:
        sample: what to play.
        device: where the client computes its gradient.
    """
    torch.set_num_threads(1)  # processes share the cores
    where = provenance(device)
    started = time.perf_counter()
    outcome: dict[str, Any] = {}
    error = ""
    try:
        scene = play(sample.scenario, build=_builder(device))
        outcome = _label(scene, sample) if sample.kind == "label" else _picture(scene, sample)
    except Exception as raised:  # one sample of ten thousand: the others are worth having
        error = f"{type(raised).__name__}: {raised}"
    return Played(sample, sample.key(where.code), where, time.perf_counter() - started, outcome, error)


@cache
def _builder(device: str) -> BuildNetwork:
    """Builds networks on a device; the samples that follow one another mostly share one."""

    @lru_cache(maxsize=_NETWORKS_KEPT)
    def build(scenario: Scenario, classes: int) -> PublicNetwork:
        network = build_public_network(scenario, classes)
        return network if device == "cpu" else replace(network, model=network.model.to(device))

    return build


def _label(scene: Scene, sample: Sample) -> dict[str, Any]:
    """Numbers of a label attack."""
    mixes = AUGMENTATIONS[sample.scenario.augmentation].mixes
    question = LabelQuestion(scene.network, scene.gradients, scene.announced, 2 if mixes else 1)
    answers = {solver: ask_for_label(solver, question) for solver in sample.solvers}
    # From here on the truth is looked at.
    client = scene.client
    truth = client.mean.label.numpy()
    certainty = float(client.truth.probabilities.max())
    outcome: dict[str, Any] = {
        "classes": len(truth),
        "certainty": certainty,
        "identifiable": certainty <= CERTAIN and len(client.others) == 0,
        "cause": str(Cause.NONE),
    }
    for solver, answer in answers.items():
        if answer is None:
            continue
        error = None if answer.label is None else max_abs_error(answer.label.numpy(), truth)
        outcome[solver] = {
            "status": answer.status,
            "label_error": error,
            "right": error is not None and error <= RIGHT,
            "right_class": answer.label is not None and int(answer.label.argmax()) == int(truth.argmax()),
            "seconds": answer.seconds,
            "evaluations": answer.evaluations,
            "message": answer.message,
        }
    ours = outcome.get("ours")
    if ours is not None and not (ours["right"] and ours["status"] == Status.UNIQUE):
        outcome["cause"] = str(diagnose(scene.network.model, scene.gradients).cause)
    return outcome


def _picture(scene: Scene, sample: Sample) -> dict[str, Any]:
    """Numbers of a picture attack."""
    answers = {
        solver: ask_for_image(solver, scene.network, scene.gradients, sample.iterations) for solver in sample.solvers
    }
    true = scene.client.mean.image
    outcome: dict[str, Any] = {"classes": len(scene.client.mean.label)}
    for solver, answer in answers.items():
        outcome[solver] = {"seconds": answer.seconds, "message": answer.message}
        if answer.image is None:
            outcome[solver] |= {"psnr": None, "ssim": None, "likeness": None, "recognised": False}
            continue
        shown = visible(answer.image)
        seen = likeness(shown, true)
        outcome[solver] |= {
            "psnr": psnr(shown, true),
            "ssim": ssim(shown, true),
            "likeness": str(seen),
            "recognised": seen.recognised,
        }
    return outcome
