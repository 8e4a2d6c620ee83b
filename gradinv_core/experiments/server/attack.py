"""The server's side of a scenario: it gets the public network and the gradients, and of the client nothing else.

Nothing returned here can come from the client's secret. Only `search_image` also takes a label, for what a server that
knew it could do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from gradinv_core.aware import InformedAnswer, attack_defended
from gradinv_core.defences import Clip, Defence, DropRows, Prune, Quantise, Sign
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.experiments.server.head_options import HeadOptions
from gradinv_core.experiments.server.lambda_curve import LabelRange, LambdaCurve, label_range, loss_curve
from gradinv_core.experiments.server.windows import look, with_windows
from gradinv_core.head import ObservedHead, factor_heads, find_head
from gradinv_core.image_recovery import ImageRecovery, OnStep, Stop, reconstruct_image
from gradinv_core.label_recovery import LabelRecovery, Status
from gradinv_core.label_recovery.baselines import idlg_label
from gradinv_core.windows import FourWindows

__all__ = [
    "LabelAttack",
    "attack_image",
    "attack_label",
    "certain_answer",
    "search_image",
]


@dataclass(frozen=True)
class LabelAttack:
    """Everything the server reads off the head.

    Attributes:
        head: the rank-one view of its gradient.
        recovery: soft label, feature and lambda.
        curve: the landscape the answer stands in.
        allowed: the shares each class may get, over every lambda that fits.
        idlg: the one class the classic attack names.
        gradients: of all layers, as they would have been without a clipping that the server knows of.
        plain: those of them that can be read like a plain gradient's; of other layers it is known that they cannot.
        options: with which the last layer was asked, for whoever asks it again.
        completed: whether entries were missing or coarse, as far as it was told, and had to be worked out.
        windows: what each window on lambda admits when asked so; None where rows or sizes are missing, or the gradient
            is no single sample's.
    """

    head: ObservedHead
    recovery: LabelRecovery
    curve: LambdaCurve
    allowed: LabelRange
    idlg: int
    gradients: Gradients
    plain: Gradients
    options: HeadOptions
    completed: bool
    windows: FourWindows | None

    @property
    def noise_std(self) -> float | None:
        """Of the noise on each of the head's entries, as far as the server was told."""
        return self.options.noise_std


def certain_answer(recovery: LabelRecovery, announced: Sequence[Defence]) -> LabelRecovery | None:
    """What the attack on the picture may take for granted: an answer that rests on knowledge of the defences."""
    return recovery if announced and recovery.status is Status.UNIQUE else None


def attack_label(network: PublicNetwork, gradients: Gradients, announced: Sequence[Defence] = ()) -> LabelAttack:
    """The server's first half: soft label and feature from the head's gradient alone.

    Args:
        network: the public network.
        gradients: what left the device.
        announced: the defences that the server knows of; it takes what it got for a plain gradient without any.

    Raises:
        GradientInversionError: it is not the gradient of one sample, or none of the last layer.
    """
    answer = attack_defended(network.model, gradients, announced)
    view = answer.head
    shortened = answer.recovery.status is not Status.UNIQUE and any(isinstance(part, Clip) for part in announced)
    options = HeadOptions("unknown" if shortened else "known", answer.noise_std, answer.hidden)
    plain = _plain(network, answer, announced)
    signs = any(isinstance(part, Sign) for part in announced)
    completed = any(isinstance(part, DropRows | Prune | Quantise) for part in announced)
    windows = None if (answer.hidden and completed) or signs else look(network, plain, options)
    recovery = with_windows(answer.recovery, windows)
    head = factor_heads(view.weight, view.weight_grad[None], view.bias, answer.noise_std)
    curve = loss_curve(head, recovery)
    return LabelAttack(
        head=head,
        recovery=recovery,
        curve=curve,
        allowed=label_range(head, recovery, curve, hidden=answer.hidden or signs or shortened),
        idlg=idlg_label(view.weight_grad),
        gradients=answer.gradients,
        plain=plain,
        options=options,
        completed=completed,
        windows=windows,
    )


def _plain(network: PublicNetwork, answer: InformedAnswer, announced: Sequence[Defence]) -> Gradients:
    """All gradients where nothing but their length was changed; else those of the last layer, which was mended."""
    if all(isinstance(defence, Clip) for defence in announced):
        return answer.gradients
    name = find_head(network.model)
    mended = {f"{name}.weight": answer.head.weight_grad, f"{name}.bias": answer.head.bias_grad}
    return {entry: gradient for entry, gradient in mended.items() if gradient is not None}


def attack_image(
    network: PublicNetwork,
    gradients: Gradients,
    answer: LabelRecovery | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
) -> ImageRecovery:
    """The server's second half: the image, from the gradients of all layers, by linear algebra.

    Args:
        network: the public network.
        gradients: what left the device.
        answer: label and feature the server is sure of, None to look for them here. It goes on as a whole: what it
            leaves open of lambda moves every pixel.
        on_step: called with every layer's input as soon as it is known.
        stop: asked between the steps.

    Raises:
        NoExactRouteError: no exact route is known for this architecture.
    """
    return reconstruct_image(
        network.model,
        gradients,
        network.image_shape,
        method="analytic",
        label=answer,
        on_step=on_step,
        stop=stop,
    )


def search_image(
    network: PublicNetwork,
    gradients: Gradients,
    options: Mapping[str, Any],
    *,
    label: torch.Tensor | None = None,
    start: torch.Tensor | None = None,
    on_step: OnStep | None = None,
    stop: Stop | None = None,
    seed: int = 0,
) -> ImageRecovery:
    """The server's other way to the image: search for the one whose gradient is the observed one.

    Args:
        network: the public network.
        gradients: what left the device.
        options: of the search, fields of `MatchingOptions`.
        label: (C,) label to compute gradients with, where `options` ask for a recovered or a given one; a recovered one
            is looked for here if None.
        start: (3, h, w) picture to start from, None for noise.
        on_step: called with every snapshot.
        stop: asked in every iteration; the best so far is handed back.
        seed: of the noise.
    """
    return reconstruct_image(
        network.model,
        gradients,
        network.image_shape,
        method="matching",
        label=label,
        start=start,
        on_step=on_step,
        stop=stop,
        seed=seed,
        **options,
    )
