"""A scenario is everything the Lab shows, and it fits into the page's address.

Whatever comes from an address is checked again (`dashboard.query`): a value that makes no sense becomes the default,
and a sentence says so. Defaults are left out, so the address stays short; `v` says which version of the page wrote it.

Why not Streamlit's own binding of widgets to the address: it drops a bad value without a word, writes display texts
rather than stable names, and forgets the values of sliders that are hidden for a while. `dashboard.address` moves
scenarios between address and widgets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from dashboard.query import Reader, number, one_of, read_value, share, whole, write_fields, yes_or_no
from dashboard.shares import DEFAULT_SHARES, read_shares
from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.client import BATCH_NORM_MODES
from gradinv_core.datasets import DATASETS
from gradinv_core.defences import read_defences, write_defences
from gradinv_core.errors import OptionError
from gradinv_core.networks import INITIALISATIONS, NETWORKS

__all__ = [
    "AUGMENTATION_CHOICES",
    "DATASET_CHOICES",
    "FEWEST_CLASSES",
    "LARGEST_CLASS_COUNT",
    "LARGEST_FACTOR",
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
LARGEST_CLASS_COUNT = 1000
FEWEST_CLASSES = 5
"""Fewest classes that an unknown label format can be told from; below that, classes of the dataset are merged."""
MOST_SAMPLES = 8
LARGEST_FACTOR = 1000.0
_LARGEST_INDEX = 10_000_000
_LARGEST_SEED = 2**31 - 1

DATASET_CHOICES = tuple(name for name in DATASETS if name != "folder")
"""A folder is a path on somebody's disk: it belongs on the command line, not in an address that gets shared."""
AUGMENTATION_CHOICES = AUGMENTATIONS


@dataclass(frozen=True)
class Scenario:
    """One client, one training step.

    Attributes:
        dataset: where the image comes from.
        image: index of the image in the dataset.
        own_photo: whether a photo of the visitor's own takes its place. The photo itself stays in the visitor's tab.
        network: the network both sides know.
        classes: number of classes; 0 for as many as the dataset has. Fewer than `FEWEST_CLASSES` merge the dataset's.
        head_bias: whether the last layer has a bias.
        initialisation: "pytorch" or "uniform".
        stage: "untrained", or the name of a checkpoint.
        augmentation: how the label is softened.
        epsilon: label smoothing strength in [0, 1].
        ratio: weight of the first image in [0, 1].
        partner: index of the second image of a mixture.
        target: class the image is trained as, `OWN_CLASS` for its own. A photo of the visitor's has none, and then
            takes the place of one of the dataset's.
        shares: the label in words of `dashboard.shares`, read by "custom".
        seed: of the network's weights, of CutMix's rectangle, of random labels and of whatever a defence draws.
        sharpness: factor on the last layer's weights; a large one makes every prediction sure.
        gain: factor on the weights of all other layers; a large one pushes hidden units to their limits.
        samples: how many pictures the client trains on at once, each with its own label.
        batch_norm: statistics that batch norm uses, "evaluation" (known to the server) or "training".
        defences: what the client does to its gradient before it is sent, as `gradinv_core.defences` writes it.
        aware: whether the server knows the defences and reckons with them.
        bounded: whether the paper's searches keep to its bounds, where four solvers race.
    """

    dataset: str = "photographs"
    image: int = 0
    own_photo: bool = False
    network: str = "fcn_small"
    classes: int = 0
    head_bias: bool = False
    initialisation: str = "pytorch"
    stage: str = UNTRAINED
    augmentation: str = "smoothing"
    epsilon: float = 0.1
    ratio: float = 0.65
    partner: int = 1
    target: int = OWN_CLASS
    shares: str = DEFAULT_SHARES
    seed: int = 0
    sharpness: float = 1.0
    gain: float = 1.0
    samples: int = 1
    batch_norm: str = "evaluation"
    defences: str = ""
    aware: bool = False
    bounded: bool = True

    @property
    def played(self) -> "Scenario":
        """Client and server alone: the race's own switch is as it was, so that nothing is played twice for it."""
        return replace(self, bounded=True)


_ADDRESS_NAMES = {
    "dataset": "dataset",
    "image": "image",
    "own_photo": "photo",
    "network": "network",
    "classes": "classes",
    "head_bias": "bias",
    "initialisation": "init",
    "stage": "stage",
    "augmentation": "label",
    "epsilon": "epsilon",
    "ratio": "ratio",
    "partner": "partner",
    "target": "class",
    "shares": "shares",
    "seed": "seed",
    "sharpness": "sharpness",
    "gain": "gain",
    "samples": "samples",
    "batch_norm": "norm",
    "defences": "defences",
    "aware": "aware",
    "bounded": "bounds",
}


_SHOWN_DEFAULTS = {"target": "the picture's own", "defences": "none"}
"""What the page shows where a default is no word of its own."""


def to_query(scenario: Scenario) -> dict[str, str]:
    """Query parameters of a scenario: only what differs from the default, and the version. Empty for the default."""
    query = write_fields(scenario, _ADDRESS_NAMES)
    return query | {"v": str(VERSION)} if query else {}


def from_query(query: Mapping[str, str], stages: Callable[[str], tuple[str, ...]]) -> tuple[Scenario, list[str]]:
    """Read a scenario from query parameters.

    Args:
        query: parameter name -> text, as the browser sent it; unknown names are left alone.
        stages: network name -> the training stages it has.

    Returns:
        The scenario, and one sentence for each value that made no sense and became the default.
    """
    sentences: list[str] = []
    version = query.get("v")
    if version is not None and version != str(VERSION):
        sentences.append("This address comes from another version of the page, so parts of it may be missing here.")
    values: dict[str, Any] = {}
    for field in fields(Scenario):
        stage = field.name == "stage"
        network = values.get("network", Scenario.network)
        read = one_of((UNTRAINED, *stages(network))) if stage else _READERS[field.name]
        shown = _SHOWN_DEFAULTS.get(field.name, field.default)
        value = read_value(query, _ADDRESS_NAMES[field.name], read, shown, sentences)
        if value is not None:
            values[field.name] = value
    return Scenario(**values), sentences


def _shares(text: str) -> str:
    read_shares(text)
    return text


def _defences(text: str) -> str:
    try:
        return write_defences(read_defences(text))
    except OptionError as error:
        raise ValueError(str(error).removeprefix("defences: ").removesuffix(".")) from None


def _classes(text: str) -> int:
    value = whole(0, LARGEST_CLASS_COUNT)(text)
    if value == 1:
        raise ValueError("one class is nothing to choose from")
    return value


_READERS: Mapping[str, Reader] = {
    "dataset": one_of(DATASET_CHOICES),
    "image": whole(0, _LARGEST_INDEX),
    "own_photo": yes_or_no,
    "network": one_of(tuple(NETWORKS)),
    "classes": _classes,
    "head_bias": yes_or_no,
    "initialisation": one_of(tuple(INITIALISATIONS)),
    "augmentation": one_of(AUGMENTATION_CHOICES),
    "epsilon": share,
    "ratio": share,
    "partner": whole(0, _LARGEST_INDEX),
    "target": whole(0, LARGEST_CLASS_COUNT - 1),
    "shares": _shares,
    "seed": whole(0, _LARGEST_SEED),
    "sharpness": number(1 / LARGEST_FACTOR, LARGEST_FACTOR),
    "gain": number(1 / LARGEST_FACTOR, LARGEST_FACTOR),
    "samples": whole(1, MOST_SAMPLES),
    "batch_norm": one_of(BATCH_NORM_MODES),
    "defences": _defences,
    "aware": yes_or_no,
    "bounded": yes_or_no,
}
