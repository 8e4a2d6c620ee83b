"""A scenario is one client and one training step, and it fits into the page's address.

Every field is declared once, by `setting`: its default, its name in an address and how it is read there, whether it
makes the network, and what menus say of it. Defaults are left out of an address, so it stays short; `v` says which
version of the page wrote it.

Why not Streamlit's own binding of widgets to the address: it drops a bad value without a word, writes display texts
rather than stable names, and forgets the values of sliders that are hidden for a while.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.client import BATCH_NORM_MODES
from gradinv_core.datasets import DATASETS
from gradinv_core.defences import read_defences, write_defences
from gradinv_core.errors import OptionError
from gradinv_core.experiments.settings import (
    number,
    one_of,
    read_settings,
    setting,
    settings_of,
    share,
    whole,
    write_settings,
    yes_or_no,
)
from gradinv_core.experiments.typed_label import DEFAULT_SHARES, read_shares
from gradinv_core.networks import INITIALISATIONS, NETWORKS

__all__ = [
    "DATASET_CHOICES",
    "FEWEST_CLASSES",
    "MOST_SAMPLES",
    "OWN_CLASS",
    "UNTRAINED",
    "VERSION",
    "Scenario",
    "from_query",
    "to_query",
]

VERSION = 1
UNTRAINED = "untrained"
OWN_CLASS = -1
FEWEST_CLASSES = 5
"""Fewest classes that an unknown label format can be told from; below that, classes of the dataset are merged."""
MOST_SAMPLES = 8
_MOST_CLASSES = 1000
_LARGEST_FACTOR = 1000.0
_LARGEST_INDEX = 10_000_000
_LARGEST_SEED = 2**31 - 1

DATASET_CHOICES = tuple(name for name in DATASETS if name != "folder")
"""A folder is a path on somebody's disk: it belongs on the command line, not in an address that gets shared."""


def _classes(text: str) -> int:
    value = whole(0, _MOST_CLASSES)(text)
    if value == 1:
        raise ValueError("one class is nothing to choose from")
    return value


def _shares(text: str) -> str:
    read_shares(text)
    return text


def _defences(text: str) -> str:
    try:
        return write_defences(read_defences(text))
    except OptionError as error:
        raise ValueError(str(error).removeprefix("defences: ").removesuffix(".")) from None


_factor = number(1 / _LARGEST_FACTOR, _LARGEST_FACTOR)


@dataclass(frozen=True)
class Scenario:
    """One client, one training step.

    Attributes:
        dataset: where the image comes from.
        image: index of the image in the dataset.
        own_photo: whether a photo of the visitor's own takes its place. The photo itself stays in the visitor's tab.
        network: the network both sides know.
        classes: number of classes; 0 for as many as the dataset has. Fewer than `FEWEST_CLASSES` merge the dataset's.
        head_bias: whether the last layer has a bias; of a trained one that has, whether its gradient is sent.
        initialisation: "pytorch" or "uniform".
        stage: "untrained", or the name of a checkpoint.
        augmentation: how the label is softened.
        epsilon: label smoothing strength in [0, 1].
        ratio: weight of the first image in [0, 1].
        partner: index of the second image of a mixture.
        target: class the image is trained as, `OWN_CLASS` for its own. A photo of the visitor's has none, and then
            takes the place of one of the dataset's.
        shares: the label in words of `typed_label`, read by "custom".
        seed: of the network's weights, of CutMix's rectangle, of random labels and of whatever a defence draws.
        sharpness: factor on the last layer's weights; a large one makes every prediction sure.
        gain: factor on the weights of all other layers; a large one pushes hidden units to their limits.
        samples: how many pictures the client trains on at once, each with its own label.
        batch_norm: statistics that batch norm uses, "evaluation" (known to the server) or "training".
        defences: what the client does to its gradient before it is sent, as `gradinv_core.defences` writes it.
        aware: whether the server knows the defences and reckons with them.
        bounded: whether the paper's searches keep to its bounds, where four solvers race.
    """

    dataset: str = setting(
        "photographs",
        "dataset",
        one_of(DATASET_CHOICES),
        "Dataset",
        "Where the client's pictures come from. Some are downloaded the first time they are used.",
    )
    image: int = setting(0, "image", whole(0, _LARGEST_INDEX), "Picture number")
    own_photo: bool = setting(False, "photo", yes_or_no)
    network: str = setting(
        "fcn_small",
        "network",
        one_of(tuple(NETWORKS)),
        "Architecture",
        "Fully connected networks give the picture away exactly; others hide it better.",
        makes_network=True,
    )
    classes: int = setting(
        0,
        "classes",
        _classes,
        "Classes",
        "Length of the soft label. Classes beyond the dataset's have numbers for names; with fewer than five, the "
        "dataset's are merged, and too few are left to find λ by their agreement.",
        makes_network=True,
    )
    head_bias: bool = setting(
        False,
        "bias",
        yes_or_no,
        "Bias in the last layer",
        "With a bias, its gradient is prediction minus label: the label can be read off without a search.",
        makes_network=True,
    )
    initialisation: str = setting(
        "pytorch",
        "init",
        one_of(INITIALISATIONS),
        "Initial weights",
        "The paper draws LeNet's weights uniformly.",
        makes_network=True,
    )
    stage: str = setting(
        UNTRAINED,
        "stage",
        one_of((UNTRAINED,)),
        "Training so far",
        "An untrained network is unsure, which makes the attack easy; a trained one may be so sure that little is left "
        "in its gradient. Trained networks know the ten digits.",
        makes_network=True,
    )
    augmentation: str = setting(
        "smoothing",
        "label",
        one_of(tuple(AUGMENTATIONS)),
        "Softening",
        "A soft label spreads its weight over several classes.\n\n"
        + "\n".join(f"- **{spec.title}**: {spec.sentence}" for spec in AUGMENTATIONS.values()),
    )
    epsilon: float = setting(
        0.1, "epsilon", share, "Smoothing ε", "Share of the label that is spread evenly over all classes."
    )
    ratio: float = setting(0.65, "ratio", share, "Weight of the first picture", "The second picture gets the rest.")
    partner: int = setting(1, "partner", whole(0, _LARGEST_INDEX), "Second picture's number")
    target: int = setting(
        OWN_CLASS,
        "class",
        whole(0, _MOST_CLASSES - 1),
        "Class",
        "The class the picture is trained as.",
        shown="the picture's own",
    )
    shares: str = setting(DEFAULT_SHARES, "shares", _shares, "Shares")
    seed: int = setting(
        0,
        "seed",
        whole(0, _LARGEST_SEED),
        "Seed",
        "Another seed, another set of random weights.",
        makes_network=True,
    )
    sharpness: float = setting(
        1.0,
        "sharpness",
        _factor,
        "Sharpness",
        "A factor on the last layer's weights. A sharp network is sure of every answer, as after long training.",
        makes_network=True,
    )
    gain: float = setting(
        1.0,
        "gain",
        _factor,
        "Gain",
        "A factor on the weights of all other layers. A large gain pushes hidden units to where their activation is "
        "flat, and rounding drowns what their gradients say.",
        makes_network=True,
    )
    samples: int = setting(
        1,
        "samples",
        whole(1, MOST_SAMPLES),
        "Pictures in one step",
        "With more than one, the client sends the mean of their gradients. Behind ReLUs the server takes them apart "
        "again, most often up to about six; behind sigmoids it cannot.",
    )
    batch_norm: str = setting(
        "evaluation",
        "norm",
        one_of(BATCH_NORM_MODES),
        "Batch norm uses",
        "Batch norm layers shift and scale what passes through. The server knows the running statistics, and not those "
        "of the client's own pictures. Only ResNets have such layers.",
    )
    defences: str = setting(
        "",
        "defences",
        _defences,
        "Defences",
        "What the client does to its gradient before it is sent, in this order.",
        shown="none",
    )
    aware: bool = setting(
        False,
        "aware",
        yes_or_no,
        "The server knows the defences",
        "Kinds and strengths have to be announced in practice; what was drawn at random stays secret. Without this, "
        "the server takes what it gets for a plain gradient.",
    )
    bounded: bool = setting(
        True,
        "bounds",
        yes_or_no,
        "Keep to the paper's bounds",
        "The paper's L-BFGS gives up beyond 100, its swarm beyond 50. Without bounds they go on to a million.",
    )

    @property
    def played(self) -> "Scenario":
        """Client and server alone: the race's own switch is as it was, so that nothing is played twice for it."""
        return replace(self, bounded=True)

    @property
    def public(self) -> "Scenario":
        """What makes the network, and nothing of the client: scenarios that share a network share this."""
        kept = {name: getattr(self, name) for name, part in settings_of(Scenario).items() if part.makes_network}
        if self.stage != UNTRAINED:  # trained weights do not depend on the seed
            kept["seed"] = settings_of(Scenario)["seed"].default
        return Scenario(**kept)


def to_query(scenario: Scenario) -> dict[str, str]:
    """Query parameters of a scenario: only what differs from the default, and the version. Empty for the default."""
    query = write_settings(scenario)
    return query | {"v": str(VERSION)} if query else {}


def from_query(query: Mapping[str, str], stages: Callable[[str], tuple[str, ...]]) -> tuple[Scenario, list[str]]:
    """Read a scenario from query parameters.

    Args:
        query: parameter name -> text, as the browser sent it; unknown names are left alone.
        stages: network name -> the training stages it has.

    Returns:
        The scenario, and one sentence for each value that made no sense and became the default.
    """
    earlier: list[str] = []
    version = query.get("v")
    if version is not None and version != str(VERSION):
        earlier.append("This address comes from another version of the page, so parts of it may be missing here.")
    of_the_network = {"stage": lambda read: one_of((UNTRAINED, *stages(read.get("network", Scenario.network))))}
    scenario, sentences = read_settings(query, Scenario, of_the_network)
    return scenario, earlier + sentences
