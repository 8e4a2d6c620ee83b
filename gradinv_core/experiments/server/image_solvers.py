"""Who is asked for a picture in a study: linear algebra, and gradient matching with a better or a worse label."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch

from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.experiments.server.attack import attack_image, search_image

__all__ = ["IMAGE_SOLVERS", "ImageAnswer", "ImageSolver", "ask_for_image"]


@dataclass(frozen=True)
class ImageAnswer:
    """What a solver says.

    Attributes:
        image: (3, h, w) recovered picture; None where there is none.
        seconds: wall time.
        message: one sentence.
    """

    image: torch.Tensor | None
    seconds: float
    message: str


@dataclass(frozen=True)
class ImageSolver:
    """One column of a table.

    Attributes:
        name: in a specification.
        title: for people.
        sentence: what it does.
        solve: (network, gradients, iterations) -> the picture and a sentence.
    """

    name: str
    title: str
    sentence: str
    solve: Callable[[PublicNetwork, Gradients, int], tuple[torch.Tensor, str]]


def ask_for_image(solver: str, network: PublicNetwork, gradients: Gradients, iterations: int) -> ImageAnswer:
    """Ask one solver, and take the time.

    Args:
        solver: a key of `IMAGE_SOLVERS`.
        network: what both sides know.
        gradients: what left the device.
        iterations: of a search; linear algebra does without.

    Returns:
        The answer. An error of the solver's is an answer without a picture, its sentence the message.
    """
    started = time.perf_counter()
    try:
        image, message = IMAGE_SOLVERS[solver].solve(network, gradients, iterations)
    except GradientInversionError as error:
        return ImageAnswer(None, time.perf_counter() - started, error.sentence)
    return ImageAnswer(image, time.perf_counter() - started, message)


def _exact(network: PublicNetwork, gradients: Gradients, _: int) -> tuple[torch.Tensor, str]:
    found = attack_image(network, gradients)
    return found.image, found.reason


def _matching(
    label_mode: str, network: PublicNetwork, gradients: Gradients, iterations: int
) -> tuple[torch.Tensor, str]:
    found = search_image(network, gradients, {"iterations": iterations, "label_mode": label_mode, "snapshots": 1})
    return found.image, found.reason


IMAGE_SOLVERS: Mapping[str, ImageSolver] = MappingProxyType(
    {
        solver.name: solver
        for solver in (
            ImageSolver("ours", "ours", "Linear algebra, layer by layer; the label is recovered first.", _exact),
            ImageSolver(
                "matching",
                "matching, soft label",
                "Gradient matching with the recovered soft label, as the paper does.",
                partial(_matching, "recovered"),
            ),
            ImageSolver(
                "matching_hard",
                "matching, hard label",
                "Gradient matching with the one class that iDLG names.",
                partial(_matching, "hard"),
            ),
        )
    }
)
"""By name, in the order of a table's columns."""
