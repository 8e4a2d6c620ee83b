"""A scenario becomes the client's step, then the server's attack. Between the two stands the wall.

`attack_label`, `attack_image` and `search_image` play the server: they get the public network and the gradients,
nothing else, so nothing they return can come from the client's secret. Only `search_image` also takes a label, for what
a server that knew it could do. `play_client` is the only place where the secret exists; figures compare with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from dashboard.landscape import Curve, LabelRange, label_range, loss_curve
from dashboard.shares import share_label
from dashboard.state import OWN_CLASS, UNTRAINED, Scenario
from gradinv_core.augmentation import Augmentation, AugmentedSample, augment
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.client import Truth, capture_gradients, client_truth
from gradinv_core.datasets import ImageDataset
from gradinv_core.head import ObservedHead, observe_heads
from gradinv_core.image_recovery import ImageRecovery, OnStep, Stop, reconstruct_image
from gradinv_core.label_recovery import LabelRecovery, recover_label
from gradinv_core.label_recovery.baselines import idlg_label
from gradinv_core.networks import NETWORKS, build_network, observe_head

__all__ = [
    "ClientStep",
    "LabelAttack",
    "PublicNetwork",
    "attack_image",
    "attack_label",
    "build_public_network",
    "play_client",
    "search_image",
]

Array = npt.NDArray[np.float64]
Gradients = dict[str, torch.Tensor]


@dataclass(frozen=True)
class PublicNetwork:
    """What both sides know before the training step: architecture, weights, image size. Never modified."""

    name: str
    model: nn.Module
    image_size: int


@dataclass(frozen=True)
class ClientStep:
    """The client's side: its picture, its label, and what only it knows.

    Attributes:
        original: (3, h, w) picture before augmentation.
        partner: (3, h, w) second picture of a mixture, None without.
        sample: the augmented image and its soft label, which the network is trained on.
        target: class of the first picture.
        partner_target: class of the second picture, None without.
        share: of the first picture in the mixture, in [0, 1]; 1 without a second one.
        truth: prediction, feature and lambda, for metrics and figures.
        gradients: what leaves the device.
        class_names: (C,) names.
    """

    original: torch.Tensor
    partner: torch.Tensor | None
    sample: AugmentedSample
    target: int
    partner_target: int | None
    share: float
    truth: Truth
    gradients: Gradients
    class_names: tuple[str, ...]


@dataclass(frozen=True)
class LabelAttack:
    """Everything the server reads off the head.

    Attributes:
        weight_grad: (C, d) the head gradient, to look at.
        head: its rank-one view.
        recovery: soft label, feature and lambda.
        curve: the landscape the answer stands in.
        allowed: the shares each class may get, over every lambda that fits.
        idlg: the one class the classic attack names.
    """

    weight_grad: Array
    head: ObservedHead
    recovery: LabelRecovery
    curve: Curve
    allowed: LabelRange
    idlg: int


def build_public_network(
    name: str, classes: int, head_bias: bool, initialisation: str, stage: str, seed: int
) -> PublicNetwork:
    """Build the network; a trained one comes with its own classes, weights and bias-free head."""
    if stage == UNTRAINED:
        model = build_network(name, classes, head_bias=head_bias, initialisation=initialisation, seed=seed)
    else:
        model = load_checkpoint(name, stage)
    return PublicNetwork(name, model.requires_grad_(False), NETWORKS[name].image_size)


def play_client(
    network: PublicNetwork,
    dataset: ImageDataset,
    scenario: Scenario,
    classes: int,
    own_image: torch.Tensor | None = None,
) -> ClientStep:
    """Take one training step as the client would.

    Args:
        network: the network the server sent.
        dataset: where the images come from, already at the network's image size.
        scenario: which image and label.
        classes: number of classes C.
        own_image: (3, h, w) picture that takes the place of the dataset's.

    Raises:
        GradientInversionError: with one sentence, whenever the parts do not fit.
        ValueError: with one sentence, for shares that are no label.
    """
    picture, own_class = dataset[scenario.image]
    picture = picture if own_image is None else own_image
    target = own_class if scenario.target == OWN_CLASS else scenario.target
    custom = share_label(scenario.shares, classes) if scenario.augmentation == "custom" else None
    augmentation = Augmentation(scenario.augmentation, scenario.epsilon, scenario.ratio, custom)
    partner, partner_target = dataset[scenario.partner] if augmentation.needs_partner else (None, None)
    sample = augment(picture, target, partner, partner_target, classes, augmentation, scenario.seed)
    return ClientStep(
        original=picture,
        partner=partner,
        sample=sample,
        target=target,
        partner_target=partner_target,
        share=_share(picture, partner, augmentation, scenario.seed),
        truth=client_truth(network.model, sample.image, sample.label),
        gradients=capture_gradients(network.model, sample.image, sample.label),
        class_names=dataset.class_names,
    )


def _share(first: torch.Tensor, second: torch.Tensor | None, augmentation: Augmentation, seed: int) -> float:
    """Weight of the first picture. CutMix counts whole pixels, so it is read off a label of two distinct classes."""
    if second is None:
        return 1.0
    return float(augment(first, 0, second, 1, 2, replace(augmentation, epsilon=0.0), seed).label[0])


def attack_label(network: PublicNetwork, gradients: Gradients) -> LabelAttack:
    """The server's first half: soft label and feature from the head's gradient alone."""
    view = observe_head(network.model, gradients)
    recovery = recover_label(view.weight, view.weight_grad, view.bias, view.bias_grad)
    head = observe_heads(view.weight, view.weight_grad[None], view.bias)
    curve = loss_curve(head, recovery)
    return LabelAttack(
        weight_grad=view.weight_grad.double().cpu().numpy(),
        head=head,
        recovery=recovery,
        curve=curve,
        allowed=label_range(head, recovery, curve),
        idlg=idlg_label(view.weight_grad),
    )


def attack_image(
    network: PublicNetwork, gradients: Gradients, on_step: OnStep | None = None, stop: Stop | None = None
) -> ImageRecovery:
    """The server's second half: the image, from the gradients of all layers, by linear algebra.

    Args:
        network: the public network.
        gradients: what left the device.
        on_step: called with every layer's input as soon as it is known.
        stop: asked between the steps.

    Raises:
        NoExactRouteError: no exact route is known for this architecture.
    """
    shape = (3, network.image_size, network.image_size)
    return reconstruct_image(network.model, gradients, shape, method="analytic", on_step=on_step, stop=stop)


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
    shape = (3, network.image_size, network.image_size)
    return reconstruct_image(
        network.model,
        gradients,
        shape,
        method="matching",
        label=label,
        start=start,
        on_step=on_step,
        stop=stop,
        seed=seed,
        **options,
    )
