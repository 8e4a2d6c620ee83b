"""A scenario becomes the client's step, then the server's attack. Between the two stands the wall.

`attack_label`, `attack_image` and `search_image` play the server: they get the public network and the gradients,
nothing else, so nothing they return can come from the client's secret. Only `search_image` also takes a label, for what
a server that knew it could do. `play_client` is the only place where the secret exists; figures compare with it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from dashboard.landscape import Curve, LabelRange, label_range, loss_curve
from dashboard.shares import share_label
from dashboard.state import OWN_CLASS, UNTRAINED, Scenario
from gradinv_core.augmentation import Augmentation, AugmentedSample, augment
from gradinv_core.aware import attack_defended
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.client import Truth, capture_batch_gradients, client_truth
from gradinv_core.datasets import ImageDataset
from gradinv_core.defences import Defence, apply_defences, read_defences
from gradinv_core.head import ObservedHead, observe_heads
from gradinv_core.image_recovery import ImageRecovery, OnStep, Stop, reconstruct_image
from gradinv_core.label_recovery import LabelRecovery
from gradinv_core.label_recovery.baselines import idlg_label
from gradinv_core.networks import NETWORKS, build_network, find_head, scale_weights

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
        others: the rest of the batch, empty for a single sample.
        truth: prediction, feature and lambda of the first sample, for metrics and figures.
        gradients: what leaves the device, defended if the client defends itself.
        head_gradient: (C, d) of the last layer, as it leaves the device; None where it is withheld.
        change: length of what the defences changed, relative to the gradient's own length; 0 without any.
        class_names: names of the classes; may be fewer or more than there are classes.
    """

    original: torch.Tensor
    partner: torch.Tensor | None
    sample: AugmentedSample
    target: int
    partner_target: int | None
    share: float
    others: tuple[AugmentedSample, ...]
    truth: Truth
    gradients: Gradients
    head_gradient: Array | None
    change: float
    class_names: tuple[str, ...]


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
    """

    head: ObservedHead
    recovery: LabelRecovery
    curve: Curve
    allowed: LabelRange
    idlg: int
    gradients: Gradients


def build_public_network(scenario: Scenario, classes: int) -> PublicNetwork:
    """Build a scenario's network; a trained one comes with its own classes, weights and bias-free head."""
    name = scenario.network
    if scenario.stage == UNTRAINED:
        model = build_network(
            name,
            classes,
            head_bias=scenario.head_bias,
            initialisation=scenario.initialisation,
            seed=scenario.seed,
        )
    else:
        model = load_checkpoint(name, scenario.stage)
    scale_weights(model, head=scenario.sharpness, hidden=scenario.gain)
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
    custom = share_label(scenario.shares, classes) if scenario.augmentation == "custom" else None
    augmentation = Augmentation(scenario.augmentation, scenario.epsilon, scenario.ratio, custom)
    mixed = augmentation.needs_partner
    batch = [_draw(dataset, scenario, classes, place, own_image, mixed) for place in range(scenario.samples)]
    samples = [augment(*drawn, classes, augmentation, scenario.seed + place) for place, drawn in enumerate(batch)]
    (sample, *others), (picture, target, partner, partner_target) = samples, batch[0]
    images, labels = [one.image for one in samples], [one.label for one in samples]
    computed = capture_batch_gradients(network.model, images, labels, batch_norm=scenario.batch_norm)
    defences = read_defences(scenario.defences)
    sent = apply_defences(network.model, computed, defences, image=sample.image, seed=scenario.seed)
    head = sent.get(f"{find_head(network.model)}.weight")
    return ClientStep(
        original=picture,
        partner=partner,
        sample=sample,
        target=target,
        partner_target=partner_target,
        share=_share(picture, partner, augmentation, scenario.seed),
        others=tuple(others),
        truth=client_truth(network.model, *sample, batch_norm=scenario.batch_norm, others=images[1:]),
        gradients=sent,
        head_gradient=None if head is None else head.double().cpu().numpy(),
        change=_change(computed, sent) if defences else 0.0,
        class_names=_merged(dataset.class_names, classes),
    )


class _Drawn(NamedTuple):
    """One sample before augmentation: a picture and its class, and those of the picture it may be mixed with."""

    picture: torch.Tensor
    target: int
    partner: torch.Tensor | None
    partner_target: int | None


def _draw(
    dataset: ImageDataset, scenario: Scenario, classes: int, place: int, own_image: torch.Tensor | None, mixed: bool
) -> _Drawn:
    """The sample at a place of the batch; later ones take the pictures that follow in the dataset."""
    picture, target = dataset[(scenario.image + place) % len(dataset)]
    if place == 0:
        picture = picture if own_image is None else own_image
        target = target if scenario.target == OWN_CLASS else scenario.target
    partner, partner_target = None, None
    if mixed:
        partner, partner_target = dataset[(scenario.partner + place) % len(dataset)]
        partner_target %= classes
    return _Drawn(picture, target % classes, partner, partner_target)


def _merged(names: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """Names of the classes; where they are merged, one stands for all that have the same remainder."""
    if classes >= len(names):
        return names
    return tuple(f"{names[index]} and others" for index in range(classes))


def _change(computed: Gradients, sent: Gradients) -> float:
    """What was changed or held back, relative to the whole."""
    whole = sum(float(gradient.double().square().sum()) for gradient in computed.values())
    changed = sum(
        float((gradient - sent.get(name, 0.0)).double().square().sum()) for name, gradient in computed.items()
    )
    return (changed / whole) ** 0.5 if whole else 0.0


def _share(first: torch.Tensor, second: torch.Tensor | None, augmentation: Augmentation, seed: int) -> float:
    """Weight of the first picture. CutMix counts whole pixels, so it is read off a label of two distinct classes."""
    if second is None:
        return 1.0
    return float(augment(first, 0, second, 1, 2, replace(augmentation, epsilon=0.0), seed).label[0])


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
    view, recovery = answer.head, answer.recovery
    head = observe_heads(view.weight, view.weight_grad[None], view.bias, answer.noise_std)
    curve = loss_curve(head, recovery)
    return LabelAttack(
        head=head,
        recovery=recovery,
        curve=curve,
        allowed=label_range(head, recovery, curve),
        idlg=idlg_label(view.weight_grad),
        gradients=answer.gradients,
    )


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
        answer: label and feature the server is sure of, None to look for them here.
        on_step: called with every layer's input as soon as it is known.
        stop: asked between the steps.

    Raises:
        NoExactRouteError: no exact route is known for this architecture.
    """
    shape = (3, network.image_size, network.image_size)
    return reconstruct_image(
        network.model,
        gradients,
        shape,
        method="analytic",
        label=None if answer is None else answer.label,
        feature=None if answer is None else answer.feature,
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
