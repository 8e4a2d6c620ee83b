"""What a few defences hide from this server, and what they cost: played live on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from dashboard.claims.picture import LIKENESS
from dashboard.drawing.number_text import percent, plain
from dashboard.sections.shared.material import Material
from dashboard.sections.shared.switches import Switch
from gradinv_core.errors import GradientInversionError
from gradinv_core.likeness import Likeness
from gradinv_core.metrics import max_abs_error

__all__ = ["COMPARED", "DefenceRow", "best_of", "played", "show_table"]

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
class DefenceRow:
    """What became of one defence.

    Attributes:
        title: of the defence.
        label: what the server knows of the label, in words.
        seen: how alike the picture is that it rebuilt.
        kept: cosine between what was sent and the honest gradient.
    """

    title: str
    label: str
    seen: Likeness
    kept: float

    @property
    def picture(self) -> str:
        """What the server got of the picture, in words."""
        return LIKENESS[self.seen][1]


def played(compared: Switch, material: Material) -> DefenceRow:
    """Play one defence on the step's picture."""
    scenario = replace(material.scenario, defences=compared.defences)
    defended = Material(scenario, material.dark)
    try:
        error = max_abs_error(defended.lab.attack.recovery.label, defended.lab.truth.label)
        label = "read" if error < _READ else f"off by {plain(error, 2)}"
    except GradientInversionError:
        label = "not read"
    return DefenceRow(compared.title, label, defended.likeness(), defended.kept_of(material))


def best_of(rows: Sequence[DefenceRow]) -> int:
    """The row that hides the picture and keeps most of the gradient; if none does, the one that blurs it most."""
    hidden = [place for place, row in enumerate(rows) if not row.seen.recognised]
    if hidden:
        return max(hidden, key=lambda place: rows[place].kept)
    worst_first = list(Likeness)[::-1]
    return min(range(len(rows)), key=lambda place: worst_first.index(rows[place].seen))


def show_table(material: Material) -> None:
    """Draw the table."""
    rows = [played(compared, material) for compared in COMPARED]
    st.dataframe(
        [
            {
                "defence": row.title,
                "label": row.label,
                "picture": row.picture,
                "of the gradient's direction, kept": percent(row.kept),
            }
            for row in rows
        ],
        hide_index=True,
        width="stretch",
    )
    st.caption(
        "The price of a defence is what it does to the gradient: one that points elsewhere trains the network worse. "
        "100 % is the honest direction."
    )
