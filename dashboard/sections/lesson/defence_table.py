"""What a few defences hide, from a server that knows of them and one that does not: played live on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dashboard.claims.picture import LIKENESS
from dashboard.drawing.number_text import plain
from dashboard.sections.shared.defence_answers import DefenceAnswer, show_answers
from dashboard.sections.shared.material import Material
from dashboard.sections.shared.switches import Switch
from gradinv_core.errors import GradientInversionError
from gradinv_core.likeness import Likeness
from gradinv_core.metrics import max_abs_error

__all__ = ["COMPARED", "DefenceRow", "Gained", "all_played", "best_of", "show_table"]

_READ = 1e-2  # largest error of a label that is taken for read


COMPARED = (
    Switch("Nothing", ""),
    Switch("Clip the gradient to half its length", "clip:0.5"),
    Switch("Keep one number in ten, the largest", "prune:0.9"),
    Switch("Noise, a thousandth of the length on each number", "gaussian:0.001"),
    Switch("Noise, a hundredth of the length on each number", "gaussian:0.01"),
    Switch("Only the sign of each number", "sign"),
)


@dataclass(frozen=True)
class Gained:
    """What one server got.

    Attributes:
        label: what it knows of the label, in words.
        seen: how alike the picture is that it rebuilt.
    """

    label: str
    seen: Likeness

    def __str__(self) -> str:
        words = LIKENESS[self.seen][1].replace(":", ",").partition(",")[0]  # a table has no room for all of them
        return f"label: {self.label}; picture: {words}"


@dataclass(frozen=True)
class DefenceRow:
    """What became of one defence.

    Attributes:
        title: of the defence.
        untold: what a server got that did not know of it.
        told: what a server got that did.
        kept: cosine between what was sent and the honest gradient.
    """

    title: str
    untold: Gained
    told: Gained
    kept: float

    @property
    def seen(self) -> Likeness:
        """The better of both pictures."""
        ranks = list(Likeness)
        return min(self.untold.seen, self.told.seen, key=ranks.index)


def all_played(material: Material) -> list[DefenceRow]:
    """Play every defence on the step's picture; `Material.once` keeps the rows for verdict and table."""
    return [_played(compared, material) for compared in COMPARED]


def _played(compared: Switch, material: Material) -> DefenceRow:
    """One defence, against both servers."""
    scenario = replace(material.scenario, defences=compared.defences)
    untold = Material(scenario, material.dark)
    told = Material(replace(scenario, aware=True), material.dark) if compared.defences else untold
    return DefenceRow(compared.title, _gained(untold), _gained(told), untold.kept_of(material))


def best_of(rows: Sequence[DefenceRow]) -> int:
    """The row that hides the picture and keeps most of the gradient; if none does, the one that blurs it most."""
    hidden = [place for place, row in enumerate(rows) if not row.seen.recognised]
    if hidden:
        return max(hidden, key=lambda place: rows[place].kept)
    worst_first = list(Likeness)[::-1]
    return min(range(len(rows)), key=lambda place: worst_first.index(rows[place].seen))


def show_table(material: Material) -> None:
    """Draw the table."""
    rows = material.once(all_played)
    show_answers(
        [DefenceAnswer(row.title, str(row.untold), str(row.told), row.kept) for row in rows],
        "One picture, played just now; another one may end otherwise.",
    )


def _gained(material: Material) -> Gained:
    try:
        error = max_abs_error(material.lab.attack.recovery.label, material.lab.truth.label)
        label = "read" if error < _READ else f"off by {plain(error, 2)}"
    except GradientInversionError:
        label = "not read"
    return Gained(label, material.likeness())
