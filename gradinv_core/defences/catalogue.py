"""The catalogue of defences: what a page needs to offer each one with a slider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gradinv_core.arrays import is_number
from gradinv_core.defences.clip import Clip
from gradinv_core.defences.defence import Defence
from gradinv_core.defences.feature import PerturbFeature
from gradinv_core.defences.noise import GaussianNoise, LaplaceNoise
from gradinv_core.defences.quantise import Quantise, Sign
from gradinv_core.defences.sparsify import DropRows, Prune
from gradinv_core.defences.withhold import WithholdHead
from gradinv_core.errors import OptionError

__all__ = ["DEFENCES", "DefenceSpec"]


@dataclass(frozen=True)
class DefenceSpec:
    """What a menu needs to know about a defence.

    Attributes:
        name: key in `DEFENCES`, and the word in an address.
        title: for people.
        explanation: one plain sentence.
        parameter: what the one parameter is called, None if there is none. The five fields below then mean nothing.
        axis: what it counts, as the title of an axis.
        lowest: left end of a sensible slider; the defence itself may accept more.
        highest: right end.
        default: where the slider starts.
        logarithmic: whether the slider should move in factors rather than in steps.
        kind: the class behind the name.
    """

    name: str
    title: str
    explanation: str
    parameter: str | None
    axis: str
    lowest: float
    highest: float
    default: float
    logarithmic: bool
    kind: type[Defence]

    @property
    def whole(self) -> bool:
        """Whether the parameter is a whole number."""
        return self.kind is Quantise

    @property
    def stronger_below(self) -> bool:
        """Whether a smaller parameter protects more."""
        return self.kind in (Clip, Quantise)

    def build(self, value: float | None = None) -> Defence:
        """The defence with this parameter; None takes the default.

        Raises:
            OptionError: ``value`` is out of range, or given though there is no parameter.
        """
        if self.parameter is None:
            if value is not None:
                raise OptionError(f"{self.name}: expected no parameter, got {value!r}; leave it out.")
            return self.kind()
        number = self.default if value is None else value
        if self.whole and is_number(number) and float(number).is_integer():
            number = int(number)
        return self.kind(number)  # type: ignore[call-arg]


def _without_parameter(kind: type[Defence], title: str, explanation: str) -> DefenceSpec:
    return DefenceSpec(kind.name, title, explanation, None, "", 0.0, 0.0, 0.0, False, kind)


_CATALOGUE = (
    DefenceSpec(
        Clip.name,
        "Clip",
        "Shortens the whole gradient to a largest length; its direction stays exact.",
        *("norm", "largest length of the gradient", 0.01, 100.0, 1.0, True, Clip),
    ),
    DefenceSpec(
        GaussianNoise.name,
        "Gaussian noise",
        "Adds normal noise to every entry; after clipping, and only then, it has a privacy budget.",
        *("multiplier", "noise, relative to the gradient", 1e-6, 10.0, 1e-3, True, GaussianNoise),
    ),
    DefenceSpec(
        LaplaceNoise.name,
        "Laplace noise",
        "Adds noise with heavier tails to every entry; no privacy budget is claimed for it.",
        *("multiplier", "noise, relative to the gradient", 1e-6, 10.0, 1e-3, True, LaplaceNoise),
    ),
    DefenceSpec(
        Prune.name,
        "Prune",
        "Sets the smallest entries of every tensor to zero.",
        *("share", "share of the entries set to zero", 0.05, 0.99, 0.5, False, Prune),
    ),
    DefenceSpec(
        Quantise.name,
        "Quantise",
        "Rounds every entry to a few evenly spaced levels.",
        *("bits", "bits per entry", 2.0, 16.0, 8.0, False, Quantise),
    ),
    _without_parameter(Sign, "Signs only", "Sends of every entry nothing but its sign."),
    DefenceSpec(
        DropRows.name,
        "Drop rows",
        "Sets the last layer's gradient to zero for classes drawn at random.",
        *("share", "share of the classes dropped", 0.05, 0.9, 0.2, False, DropRows),
    ),
    DefenceSpec(
        PerturbFeature.name,
        "Perturb the feature",
        "Hides the features that say most about the image (Soteria).",
        *("share", "share of the features changed", 0.01, 0.9, 0.1, False, PerturbFeature),
    ),
    _without_parameter(WithholdHead, "Withhold the last layer", "Does not send the last layer's gradient at all."),
)

DEFENCES: Mapping[str, DefenceSpec] = MappingProxyType({spec.name: spec for spec in _CATALOGUE})
"""Every defence by name, in the order in which a menu should list them."""
