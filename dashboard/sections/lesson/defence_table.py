"""What a few defences hide from this server, and what they cost: played live on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st
import torch

from dashboard.claims.picture import LIKENESS
from dashboard.drawing.number_text import percent, plain
from dashboard.sections.shared.material import Material
from gradinv_core.errors import GradientInversionError
from gradinv_core.likeness import Likeness
from gradinv_core.metrics import max_abs_error

__all__ = ["COMPARED", "Compared", "DefenceRow", "best_of", "played", "show_table"]

_READ = 1e-2  # largest error of a label that is taken for read


@dataclass(frozen=True)
class Compared:
    """One defence of the table.

    Attributes:
        title: of its row.
        defences: as a scenario writes it.
    """

    title: str
    defences: str


COMPARED = (
    Compared("Nothing", ""),
    Compared("Clip the gradient to half its length", "clip:0.5"),
    Compared("Keep one number in ten, the largest", "prune:0.9"),
    Compared("Noise, a thousandth of the length on each number", "gaussian:0.001"),
    Compared("Noise, a hundredth of the length on each number", "gaussian:0.01"),
    Compared("Only the sign of each number", "sign"),
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


def played(compared: Compared, material: Material) -> DefenceRow:
    """Play one defence on the step's picture."""
    scenario = replace(material.scenario, defences=compared.defences)
    defended = Material(scenario, material.dark)
    honest, sent = material.client.scene.gradients, defended.client.scene.gradients
    try:
        error = max_abs_error(defended.lab.attack.recovery.label, defended.lab.truth.label)
        label = "read" if error < _READ else f"off by {plain(error, 2)}"
    except GradientInversionError:
        label = "not read"
    return DefenceRow(compared.title, label, defended.likeness(), _cosine(honest, sent))


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


def _cosine(honest: dict[str, torch.Tensor], sent: dict[str, torch.Tensor]) -> float:
    """Of two gradients as one long list each; what was withheld counts as zero."""
    product = sum(float((value.double() * sent[name].double()).sum()) for name, value in honest.items() if name in sent)
    sizes = [sum(float(value.double().square().sum()) for value in each.values()) ** 0.5 for each in (honest, sent)]
    return product / (sizes[0] * sizes[1]) if all(sizes) else 0.0
