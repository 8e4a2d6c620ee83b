"""What a sweep can vary: each parameter turns one scenario into about ten, from one end of its range to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import log10
from types import MappingProxyType
from typing import Any

from gradinv_core.augmentation import AUGMENTATIONS
from gradinv_core.checkpoints import available_stages
from gradinv_core.defences import DEFENCES, read_defences, write_defences
from gradinv_core.experiments.scenario import MOST_SAMPLES, OWN_CLASS, UNTRAINED, Scenario
from gradinv_core.experiments.scene import OpenImages, classes_of, open_images

__all__ = ["SWEEP_PARAMETERS", "SweepParameter", "SweepPosition", "sweep_positions"]

_TRAINED_NETWORK, _TRAINED_DATASET = "lenet_sigmoid", "digits"


@dataclass(frozen=True)
class SweepPosition:
    """One place on the axis.

    Attributes:
        value: what varies there: a number, or the name of a training stage.
        place: where it stands on a plain axis: the value, its logarithm, or its number in the list.
        major: whether the axis has room to write the tick.
        scenario: what the first repeat plays.
    """

    value: float | str
    place: float
    major: bool
    scenario: Scenario


@dataclass(frozen=True)
class SweepParameter:
    """What a menu and an axis need to know.

    Attributes:
        name: in an address.
        title: for people.
        explanation: one plain sentence.
        axis: title of the axis.
        logarithmic: whether the axis counts in factors.
        visit: the places of a scenario, in order. Everything else in the scenario stays as it is.
        ordered: whether the values follow each other.
    """

    name: str
    title: str
    explanation: str
    axis: str
    logarithmic: bool
    visit: Callable[[Scenario], tuple[SweepPosition, ...]]
    ordered: bool = True


def sweep_positions(name: str, scenario: Scenario, images: OpenImages = open_images) -> tuple[SweepPosition, ...]:
    """The places a sweep of one parameter visits.

    Args:
        name: a key of `SWEEP_PARAMETERS`.
        scenario: to start from.
        images: opens datasets. One may need more classes than were asked for; a place that would only repeat another
            one is left out.

    Raises:
        OptionError: the scenario has as many defences as there may be, and the sweep would add one.
    """
    positions = SWEEP_PARAMETERS[name].visit(scenario)
    if name != "classes":
        return positions
    return tuple(place for place in positions if classes_of(place.scenario, images) == place.scenario.classes)


def _numbers(
    values: Iterable[float],
    change: Callable[[Scenario, Any], Scenario],
    scenario: Scenario,
    *,
    logarithmic: bool = False,
    written: Sequence[float] | None = None,
) -> tuple[SweepPosition, ...]:
    """A place for each number; an axis writes those that are `written`, or all."""
    return tuple(
        SweepPosition(
            value=value,
            place=log10(value) if logarithmic else float(value),
            major=written is None or value in written,
            scenario=change(scenario, value),
        )
        for value in values
    )


def _change_field(field: str, scenario: Scenario, value: Any) -> Scenario:
    return replace(scenario, **{field: value})


def _change_defence(name: str, scenario: Scenario, value: float) -> Scenario:
    """A new strength in the defence's place in the pipeline; a defence that is not there yet comes last."""
    changed = DEFENCES[name].build(value)
    chosen = read_defences(scenario.defences)
    kept = [changed if defence.name == name else defence for defence in chosen]
    return replace(scenario, defences=write_defences(kept if changed in kept else [*kept, changed]))


def _change_smoothing(scenario: Scenario, epsilon: float) -> Scenario:
    smooths = AUGMENTATIONS[scenario.augmentation].smooths
    return replace(scenario, augmentation=scenario.augmentation if smooths else "smoothing", epsilon=epsilon)


def _change_ratio(scenario: Scenario, ratio: float) -> Scenario:
    mixes = AUGMENTATIONS[scenario.augmentation].mixes
    return replace(scenario, augmentation=scenario.augmentation if mixes else "mixup", ratio=ratio)


def _change_classes(scenario: Scenario, classes: int) -> Scenario:
    """A trained network knows ten classes, so this takes an untrained one."""
    return replace(scenario, stage=UNTRAINED, classes=classes)


def _visit_stages(scenario: Scenario) -> tuple[SweepPosition, ...]:
    """Stages of the scenario's network; of the LeNet with sigmoids where it has none. All were trained on digits."""
    network = scenario.network if len(available_stages(scenario.network)) > 1 else _TRAINED_NETWORK
    # Another dataset's class may not exist among the digits.
    target = scenario.target if scenario.dataset == _TRAINED_DATASET else OWN_CLASS
    base = replace(scenario, network=network, dataset=_TRAINED_DATASET, target=target)
    return tuple(
        SweepPosition(stage.replace("-epoch-", " "), float(place), True, replace(base, stage=stage))
        for place, stage in enumerate(available_stages(network))
    )


_DECADES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
_NOISES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
_NORMS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_PRUNED = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99)
_BITS = (16, 14, 12, 10, 8, 7, 6, 5, 4, 3, 2)
_EPSILONS = tuple(tenth / 10 for tenth in range(10))
_RATIOS = tuple(twentieth / 20 for twentieth in range(10, 21))
_SHARPNESSES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_CLASSES = (2, 3, 4, 10, 20, 50, 100, 200, 500, 1000)

_CATALOGUE = (
    SweepParameter(
        "noise",
        "Gaussian noise",
        "The client adds random numbers to every entry of the gradient; 0.1 means as large as a tenth of the whole "
        "gradient's length, or of the length it was clipped to.",
        DEFENCES["gaussian"].axis,
        True,
        partial(_numbers, _NOISES, partial(_change_defence, "gaussian"), logarithmic=True, written=_DECADES),
    ),
    SweepParameter(
        "clip",
        "Clipping",
        "The client shortens the gradient to a largest length and keeps its direction.",
        DEFENCES["clip"].axis,
        True,
        partial(_numbers, _NORMS, partial(_change_defence, "clip"), logarithmic=True, written=_DECADES),
    ),
    SweepParameter(
        "prune",
        "Pruning",
        "The client sets the smallest entries of every layer's gradient to zero.",
        DEFENCES["prune"].axis,
        False,
        partial(_numbers, _PRUNED, partial(_change_defence, "prune")),
    ),
    SweepParameter(
        "quantise",
        "Rounding",
        "The client rounds every entry to a grid; one bit less makes the grid twice as coarse.",
        DEFENCES["quantise"].axis,
        False,
        partial(_numbers, _BITS, partial(_change_defence, "quantise")),
    ),
    SweepParameter(
        "epsilon",
        "Label smoothing",
        "The share of the label that is spread evenly over all classes.",
        "smoothing ε",
        False,
        partial(_numbers, _EPSILONS, _change_smoothing),
    ),
    SweepParameter(
        "ratio",
        "Mixing two pictures",
        "The first picture's weight in a blend of two; the second gets the rest.",
        "weight of the first picture",
        False,
        partial(_numbers, _RATIOS, _change_ratio),
    ),
    SweepParameter(
        "stage",
        "Training so far",
        "How the network was trained, and for how many passes over the digits. Where the chosen network was never "
        "trained, this takes the LeNet with sigmoids; the pictures are digits.",
        "labels and passes in training",
        False,
        _visit_stages,
        ordered=False,
    ),
    SweepParameter(
        "sharpness",
        "Sharpness",
        "A factor on the last layer's weights: a sharp network is sure of every answer, as after long training.",
        "factor on the last layer's weights",
        True,
        partial(_numbers, _SHARPNESSES, partial(_change_field, "sharpness"), logarithmic=True, written=_DECADES),
    ),
    SweepParameter(
        "classes",
        "Number of classes",
        "The length of the soft label; with fewer than five, classes of the dataset are merged. The network is "
        "untrained.",
        "number of classes",
        True,
        partial(_numbers, _CLASSES, _change_classes, logarithmic=True, written=(2, 4, 10, 100, 1000)),
    ),
    SweepParameter(
        "samples",
        "Pictures in one step",
        "With more than one picture, the client sends the mean of their gradients, and the server takes them apart.",
        "pictures in one step",
        False,
        partial(_numbers, range(1, MOST_SAMPLES + 1), partial(_change_field, "samples")),
    ),
)

SWEEP_PARAMETERS: Mapping[str, SweepParameter] = MappingProxyType({part.name: part for part in _CATALOGUE})
"""Every parameter by name, in the order of the menu."""
