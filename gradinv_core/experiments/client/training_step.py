"""The client's side of a scenario, the only place where its secret exists; figures and metrics compare with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from gradinv_core.augmentation import Augmentation, AugmentedSample, augment
from gradinv_core.client import Truth, capture_batch_gradients, client_truth
from gradinv_core.datasets import ImageDataset
from gradinv_core.defences import apply_defences, read_defences
from gradinv_core.errors import OptionError
from gradinv_core.experiments.client.own_photo import NEUTRAL_NAME
from gradinv_core.experiments.public_network import Gradients, PublicNetwork
from gradinv_core.experiments.scenario import OWN_CLASS, UNTRAINED, Scenario
from gradinv_core.experiments.typed_label import share_label
from gradinv_core.head import find_head

__all__ = ["ClientStep", "play_client"]

Array = npt.NDArray[np.float64]


class Mean(NamedTuple):
    """What a gradient of one direction leaves of several samples: label (C,), feature (d,) and image (3, h, w)."""

    label: torch.Tensor
    feature: torch.Tensor
    image: torch.Tensor


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
        mean: of the whole batch: label, feature and image, averaged; the first sample's own where it is alone.
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
    mean: Mean
    gradients: Gradients
    head_gradient: Array | None
    change: float
    class_names: tuple[str, ...]

    def scale_of(self, row_gradient: Array) -> float:
        """The true lambda of a row (d,) of the gradient the server works on: the factor between it and the feature.

        Infinite where the row is zero. Of a plain gradient it is ``1 / (p_r - y_r)``; of a shortened one it is larger.
        """
        size = float(row_gradient @ row_gradient)
        return float(self.mean.feature.numpy() @ row_gradient) / size if size else math.inf


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
        own_image: (3, h, w) picture of the visitor's own, exactly where the scenario asks for one.

    Raises:
        OptionError: a picture of the visitor's own is missing, or not asked for.
        GradientInversionError: with one sentence, whenever the parts do not fit.
        ValueError: with one sentence, for shares that are no label.
    """
    if scenario.own_photo is (own_image is None):
        came = "none" if own_image is None else "one"
        asked = "a photo of the visitor's own" if scenario.own_photo else "the dataset's picture alone"
        raise OptionError(f"own_image: expected {asked}, as the scenario says, got {came}; let the two agree.")
    custom = share_label(scenario.shares, classes) if scenario.augmentation == "custom" else None
    augmentation = Augmentation(scenario.augmentation, scenario.epsilon, scenario.ratio, custom)
    mixed = augmentation.needs_partner
    batch = [_draw(dataset, scenario, classes, place, own_image, mixed) for place in range(scenario.samples)]
    samples = [augment(*drawn, classes, augmentation, scenario.seed + place) for place, drawn in enumerate(batch)]
    (sample, *others), (picture, target, partner, partner_target) = samples, batch[0]
    images, labels = [one.image for one in samples], [one.label for one in samples]
    computed = capture_batch_gradients(network.model, images, labels, batch_norm=scenario.batch_norm)
    computed = {name: gradient for name, gradient in computed.items() if name not in network.withheld}
    defences = read_defences(scenario.defences)
    sent = computed  # without a defence there is nothing to check again: of AlexNet that took half of the step's time
    if defences:
        sent = apply_defences(network.model, computed, defences, image=sample.image, seed=scenario.seed)
    head = sent.get(f"{find_head(network.model)}.weight")
    truths = [
        client_truth(network.model, *one, batch_norm=scenario.batch_norm, others=images[:place] + images[place + 1 :])
        for place, one in enumerate(samples)
    ]
    return ClientStep(
        original=picture,
        partner=partner,
        sample=sample,
        target=target,
        partner_target=partner_target,
        share=_share(picture, partner, augmentation, scenario.seed),
        others=tuple(others),
        truth=truths[0],
        mean=Mean(
            torch.stack([truth.label for truth in truths]).mean(0),
            torch.stack([truth.feature for truth in truths]).mean(0),
            torch.stack(images).mean(0),
        ),
        gradients=sent,
        head_gradient=None if head is None else head.double().cpu().numpy(),
        change=_change(computed, sent) if defences else 0.0,
        class_names=_names(dataset, scenario, classes, batch),
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
    partner, partner_target = None, None
    if mixed:
        partner, partner_target = dataset[(scenario.partner + place) % len(dataset)]
        partner_target %= classes
    if place == 0:
        picture = picture if own_image is None else own_image
        if scenario.target != OWN_CLASS:
            target = scenario.target
        elif own_image is not None:
            target = _stand_in(dataset, scenario, classes, mixed)
    return _Drawn(picture, target % classes, partner, partner_target)


def _stand_in(dataset: ImageDataset, scenario: Scenario, classes: int, mixed: bool) -> int:
    """The class that a photo without one is trained as: the first that no other picture of the step shows."""
    others = [scenario.image + place for place in range(1, scenario.samples)]
    others += [scenario.partner + place for place in range(scenario.samples)] if mixed else []
    taken = {dataset[index % len(dataset)][1] % classes for index in others}
    return next((index for index in range(min(classes, len(dataset.class_names))) if index not in taken), 0)


def _names(dataset: ImageDataset, scenario: Scenario, classes: int, batch: Sequence[_Drawn]) -> tuple[str, ...]:
    """Names of the classes; the class that a photo stands in for has the photo's name."""
    names = _merged(dataset.class_names, classes)
    if not scenario.own_photo or scenario.target != OWN_CLASS or scenario.augmentation == "custom":
        return names
    index = batch[0].target
    others = {drawn.target for drawn in batch[1:]} | {drawn.partner_target for drawn in batch}
    # A trained network knows the class under its own name, and so do other pictures.
    shared = index in others or scenario.stage != UNTRAINED
    name = f"{names[index]} ({NEUTRAL_NAME})" if shared else NEUTRAL_NAME
    return (*names[:index], name, *names[index + 1 :])


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
