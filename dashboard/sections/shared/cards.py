"""The cards of the gallery: scenarios in which something breaks, and what to look at in each.

Only what is said before anything is computed stands here; what happens is found out live by the gallery.
"""

from dataclasses import dataclass, replace

from dashboard.claims.reason import Level
from gradinv_core.experiments.scenario import Scenario

__all__ = ["CARDS", "Card", "card_of"]


@dataclass(frozen=True)
class Card:
    """One failure.

    Attributes:
        name: short and stable, for tests and keys.
        title: of the failure.
        sentence: what happens, in everyday words.
        scenario: where it happens.
        look: what the picture shows, a key of `dashboard.sections.gallery.card_play.LOOKS`.
        caption: how to read that picture.
    """

    name: str
    title: str
    sentence: str
    scenario: Scenario
    look: str
    caption: str

    @property
    def level(self) -> Level:
        """What it is a failure of."""
        return _LEVELS.get(self.look, Level.LABEL)


_LEVELS = {
    "false minimum": Level.SEARCH,
    "out of bound": Level.SEARCH,
    "layers": Level.PICTURE,
    "slopes": Level.PICTURE,
    "right angles": Level.PICTURE,
}


_TRAINED = Scenario(dataset="digits", network="lenet_sigmoid", stage="mixup-epoch-80")
_SURE = Scenario(dataset="digits", network="lenet_sigmoid", stage="hard-epoch-160")
_LENET = Scenario(network="lenet_sigmoid")
_CURVE = "The paper's loss over λ. Blue: the exact answer. Orange: where the search ended."

CARDS = (
    Card(
        "local minimum",
        "A false minimum",
        "The search walks downhill and stops far from the answer, where the loss is small because everything is.",
        replace(_TRAINED, image=3, partner=6, augmentation="mixup+smoothing", bounded=False),
        "false minimum",
        _CURVE,
    ),
    Card(
        "out of bound",
        "Out of bound",
        "Training has made λ larger than the bounds within which the paper searches.",
        replace(_TRAINED, epsilon=0.01),
        "out of bound",
        f"{_CURVE} Shaded: beyond the bounds.",
    ),
    Card(
        "one-hot probability",
        "One-hot probability",
        "The network is so sure that its prediction is 1 and zeros. Then every larger λ fits as well.",
        _SURE,
        "curve",
        "The paper's loss over λ. Hatched, between blue lines: every λ that fits.",
    ),
    Card(
        "vanished gradient",
        "Vanished gradient",
        "Prediction and label are the same to the last digit, so the gradient is zero, whatever the picture.",
        replace(_SURE, augmentation="none", sharpness=1000.0),
        "label",
        "What the gradient allows for each class: whiskers from 0 to 1 allow everything. Outlines: the truth.",
    ),
    Card(
        "structureless label",
        "A label without structure",
        "No two classes have the same value, so nothing tells when a candidate for λ is right.",
        replace(_LENET, augmentation="custom", shares="0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03"),
        "label",
        "What the gradient allows for each class: whiskers. Outlines: the truth.",
    ),
    Card(
        "too few classes",
        "Too few classes",
        "With three classes there are too few that could agree: any λ makes one of them agree with itself.",
        replace(_LENET, dataset="digits", classes=3),
        "shares",
        "The share of each class over λ. Nothing singles one λ out while all lie between 0 and 1.",
    ),
    Card(
        "rank-deficient layer",
        "A rank-deficient layer",
        "Silent ReLU units take no part in the gradient, so a layer has fewer equations than unknowns.",
        Scenario(network="lenet_relu"),
        "layers",
        "Inputs of each layer: blue is determined, hatched is left open.",
    ),
    Card(
        "saturated activations",
        "Saturated activations",
        "Units pushed to their limits have a slope of almost zero. Rounding drowns what their gradients say.",
        Scenario(network="lenet_tanh", image=3, gain=30.0),
        "slopes",
        "How steep each unit's activation is where it stands. Those at the left say nothing.",
    ),
    Card(
        "batch",
        "A batch instead of one sample",
        "Several pictures in one step. Behind sigmoids no feature has zeros that tell whose it is. Behind ReLUs the "
        "labels of these pictures come back, as long as there are fewer pictures than classes.",
        replace(_LENET, samples=3),
        "batch sizes",
        "How many labels the server is sure of, from 1 to 8 pictures. Blue: ReLUs; orange: sigmoids; lines: all.",
    ),
    Card(
        "training-mode batch norm",
        "Batch norm in training mode",
        "Statistics of the picture itself, which the server does not know, normalise it. The label leaks all the same.",
        Scenario(network="resnet18", batch_norm="training"),
        "right angles",
        "Cosine between each layer's weights and their gradient, and the line below which it counts as zero. Only "
        "training mode forces it there.",
    ),
    Card(
        "clipped",
        "A clipped gradient",
        "The gradient was shortened. That hides its length and nothing else: factor and label are found together.",
        replace(_LENET, defences="clip:0.5"),
        "label",
        "What a server reads that was not told of the clipping. Outlines: the truth.",
    ),
    Card(
        "noisy",
        "A noisy gradient",
        "Noise on every entry leaves a whole range of λ that fits, and a label for each.",
        replace(_LENET, defences="gaussian:0.003"),
        "curve",
        "The paper's loss over λ. Hatched, between blue lines: every λ that fits.",
    ),
    Card(
        "pruned",
        "A pruned gradient",
        "Small entries were set to zero. A zero that was put there is not a measurement.",
        replace(_LENET, defences="prune:0.5"),
        "holes",
        "The head's gradient, class by class. Orange: zeros that no outer product has.",
    ),
    Card(
        "quantised",
        "A quantised gradient",
        "Every entry was rounded to one of a few levels, and many to zero.",
        replace(_LENET, defences="quantise:4"),
        "levels",
        "How often each value occurs in the head's gradient: a few evenly spaced ones are all there is.",
    ),
)


def card_of(scenario: Scenario) -> Card | None:
    """The card that plays this scenario, if one does."""
    return next((card for card in CARDS if card.scenario == scenario), None)
