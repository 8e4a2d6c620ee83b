"""Who is asked for a label in a study: the exact solver, the paper's search, and what earlier attacks read off.

All get the same last layer. The paper's search is told the label's format besides, as the paper tells it; ours is not.
Nobody is told the truth, by which the published code accepts an answer or tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType

import numpy as np
import torch
from torch import nn

from gradinv_core.aware import recover_defended
from gradinv_core.defences import Defence
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.head import HeadView, factor_heads, find_head, view_head
from gradinv_core.head.factors import predicted
from gradinv_core.head.landscape import pseudo_labels
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import Status, paper_search, recover_label
from gradinv_core.label_recovery.baselines import bias_feature, idlg_label

__all__ = ["LABEL_SOLVERS", "LabelAnswer", "LabelQuestion", "LabelSolver", "ask_for_label"]

_SEED = 0  # of the swarm's particles


@dataclass(frozen=True)
class LabelQuestion:
    """What the server holds when it asks.

    Attributes:
        network: what both sides know.
        gradients: what left the device.
        announced: the defences that the server was told of.
        excluded: how many of the label's largest entries the paper's loss leaves out: 1 for smoothing, 2 for mixtures.
    """

    network: PublicNetwork
    gradients: Gradients
    announced: Sequence[Defence]
    excluded: int

    @cached_property
    def head(self) -> HeadView:
        """The last layer, looked for once: in a network of many parts that takes longer than some of the answers."""
        return view_head(self.network.model, self.gradients, find_head(self.network.model))


@dataclass(frozen=True)
class LabelAnswer:
    """What a solver says.

    Attributes:
        label: (C,) soft label, float64; None where it gives none.
        status: "unique" or another `Status` of ours; of the others what they can say: "found" or "gave up".
        evaluations: how many lambdas it looked at.
        seconds: of processor time, which other work on the same cores does not lengthen.
        message: one sentence.
    """

    label: torch.Tensor | None
    status: str
    evaluations: int = 0
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class LabelSolver:
    """One column of a table.

    Attributes:
        name: in a specification.
        title: for people.
        sentence: what it does.
        needs_bias: whether it can only be asked where the last layer's bias gradient was sent.
        solve: a question's answer; the seconds are filled in by `ask_for_label`.
    """

    name: str
    title: str
    sentence: str
    needs_bias: bool
    solve: Callable[[LabelQuestion], LabelAnswer]


def ask_for_label(solver: str, question: LabelQuestion) -> LabelAnswer | None:
    """Ask one solver, and take the time.

    Args:
        solver: a key of `LABEL_SOLVERS`.
        question: what the server holds.

    Returns:
        The answer; None where the solver cannot be asked, for want of a bias. An error of the solver's is an answer
        without a label, its sentence the message.
    """
    asked = LABEL_SOLVERS[solver]
    head = question.head  # before the clock starts: it is there for all solvers alike
    if asked.needs_bias and head.bias_grad is None:
        return None
    _warm_up(solver)
    started = time.process_time()
    try:
        answer = asked.solve(question)
    except GradientInversionError as error:
        answer = LabelAnswer(None, "refused", message=error.sentence)
    seconds = time.process_time() - started
    return LabelAnswer(answer.label, answer.status, answer.evaluations, seconds, answer.message)


def _ours(question: LabelQuestion) -> LabelAnswer:
    if question.announced:
        answer = recover_defended(question.network.model, question.gradients, question.announced)
    else:
        answer = recover_label(*question.head)
    label = None if answer.status is Status.VANISHED else answer.label
    return LabelAnswer(label, str(answer.status), answer.evaluations, message=answer.message)


def _paper(question: LabelQuestion) -> LabelAnswer:
    """L-BFGS first; the swarm where that left its bounds or ran out of steps. The first small loss is the answer."""
    view = question.head
    head = factor_heads(view.weight, view.weight_grad[None], view.bias)
    if head.vanished[0]:
        return LabelAnswer(None, "gave up", message="The gradient is zero.")
    structure = LABEL_FORMATS["smoothing" if question.excluded == 1 else "mixup+smoothing"]
    if structure is None:  # it never is: "any" alone has no structure
        raise TypeError("a format of the paper's has a structure")
    structure.check(head.classes)
    path = paper_search.lbfgs(head, structure)
    evaluations = path.evaluations
    if not path.converged:
        path = paper_search.swarm(paper_search.objective(head, structure), _SEED)
        evaluations += path.evaluations
    if not path.converged:
        return LabelAnswer(None, "gave up", evaluations, message="Both searches left or used up their bounds.")
    label = torch.from_numpy(pseudo_labels(head, np.array([[path.scale]]))[0, 0])
    return LabelAnswer(label, "found", evaluations)


def _bias(question: LabelQuestion) -> LabelAnswer:
    """One row over its bias gradient is the feature, the prediction minus the bias gradient the label."""
    view = question.head
    if view.bias_grad is None:  # `ask_for_label` did not ask
        raise TypeError("the bias gradient was sent")
    feature = bias_feature(view.weight_grad, view.bias_grad)
    label = predicted(view.weight, view.bias, feature) - view.bias_grad.double().cpu()
    return LabelAnswer(label, "found")


def _idlg(question: LabelQuestion) -> LabelAnswer:
    gradient = question.head.weight_grad
    label = torch.zeros(len(gradient), dtype=torch.float64)
    label[idlg_label(gradient)] = 1.0
    return LabelAnswer(label, "found")


@cache
def _warm_up(solver: str) -> None:
    """Load what a process loads once: its first optimiser takes a second, which is no solver's time."""
    generator = torch.Generator().manual_seed(0)
    layer = nn.utils.skip_init(nn.Linear, 16, 8).requires_grad_(False)  # drawn from nobody's generator
    layer.weight.copy_(torch.randn(8, 16, generator=generator) / 4)
    layer.bias.zero_()
    feature = torch.rand(16, generator=generator)
    residual = torch.softmax(layer(feature), 0) - torch.eye(8)[0]
    gradients = {"0.weight": torch.outer(residual, feature), "0.bias": residual}
    network = PublicNetwork("warm-up", nn.Sequential(layer), 1)
    LABEL_SOLVERS[solver].solve(LabelQuestion(network, gradients, (), 1))


LABEL_SOLVERS: Mapping[str, LabelSolver] = MappingProxyType(
    {
        solver.name: solver
        for solver in (
            LabelSolver("ours", "ours", "Closed form and scan; the label's format is not told.", False, _ours),
            LabelSolver(
                "paper",
                "the paper's search",
                "L-BFGS, then a particle swarm; the label's format is told, the truth is not.",
                False,
                _paper,
            ),
            LabelSolver("bias", "bias-based", "One row of the gradient over its bias gradient.", True, _bias),
            LabelSolver("idlg", "iDLG", "The sign rule; it names one class and no shares.", False, _idlg),
        )
    }
)
"""By name, in the order of a table's columns."""
