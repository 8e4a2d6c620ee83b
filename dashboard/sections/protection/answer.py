"""The answer before all curves: from which strength each defence holds, against which server, and at what price.

Whether it holds is read off the stored measurement; the price is computed now, on one gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from dashboard.drawing.number_text import percent, plain
from dashboard.sections.protection.stored_curves import weak_to_strong
from dashboard.sections.shared.defence_answers import DefenceAnswer, show_answers
from dashboard.sections.shared.material import Material
from gradinv_core.defences import DEFENCES, write_defences
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.sweep.stored_study import StoredCurve, StoredPoint, StoredStudy, read_study
from gradinv_core.networks import NETWORKS

__all__ = ["PRICED", "Standing", "holds_from", "show", "standings"]

_HIDDEN = 0.1  # share of labels that are still right, up to which a defence is said to hide them
_NETWORK = "fcn_small"  # the one whose pictures were rebuilt in the stored measurement, too
PRICED = Scenario(network=_NETWORK, augmentation="mixup+smoothing")
"""Whose gradient says what a defence costs: one of those that were measured."""


@dataclass(frozen=True)
class Standing:
    """One defence against both servers.

    Attributes:
        defence: its name.
        untold: the weakest strength from which it hides the label from a server that does not know of it; None: never.
        told: the same for a server that knows.
        at: where its price is asked: there, or at its strongest.
    """

    defence: str
    untold: StoredPoint | None
    told: StoredPoint | None
    at: StoredPoint


def show() -> None:
    """Draw sentence and table; nothing where the measurement is missing, which the curves below say."""
    try:
        study = read_study()
    except GradientInversionError:
        return
    rows = [(standing, _kept(standing)) for standing in standings(study)]
    rows.sort(key=lambda row: (row[0].told is not None, row[0].untold is not None, row[1]), reverse=True)
    hold = [standing for standing, _ in rows if standing.told is not None]
    fooled = [standing for standing, _ in rows if standing.told is None and standing.untold is not None]
    named = sum(standing.at.right_class > 0.5 for standing in hold)
    st.markdown(
        f"**Strong enough, {len(hold)} of {len(rows)} defences hide the label from a server that knows of them; "
        f"{named} of those still give the class away in most attacks.**"
        + (f" {len(fooled)} more hold only while nobody knows." if fooled else "")
    )
    show_answers(
        [
            DefenceAnswer(
                DEFENCES[standing.defence].title, _words(standing.untold, standing.defence), _told(standing), kept
            )
            for standing, kept in rows
        ],
        f"Whether it holds is a stored measurement of {study.date} on “{NETWORKS[_NETWORK].title}”, "
        f"{rows[0][0].at.attacks} attacks for every strength (`{study.command}`): hidden means that at most "
        f"{percent(_HIDDEN)} of the labels are right to one percent, there and at every greater strength measured; "
        "class and picture (its median) are those at that strength. The direction is computed now, on one picture, at "
        "the strength in the third column; at the greatest where there is none.",
    )


def standings(study: StoredStudy) -> list[Standing]:
    """Every defence of the measurement, in its order."""
    found = []
    for network, defence, aware in study.curves:
        if network == _NETWORK and not aware:
            untold, told = (weak_to_strong(study.curves[network, defence, knows]) for knows in (False, True))
            point = holds_from(told)
            found.append(Standing(defence, holds_from(untold), point, point or told.points[-1]))
    return found


def holds_from(curve: StoredCurve) -> StoredPoint | None:
    """The weakest point from which a defence hides the label at every strength; None where its strongest does not.

    Args:
        curve: from weak to strong.
    """
    holding = None
    for point in reversed(curve.points):
        if point.right > _HIDDEN:
            break
        holding = point
    return holding


def _words(point: StoredPoint | None, defence: str) -> str:
    if point is None:
        return "label read at every strength"
    if point.strength is None:
        return "label hidden"
    return f"label hidden from {point.strength:g} {'down' if DEFENCES[defence].stronger_below else 'on'}"


def _told(standing: Standing) -> str:
    if standing.told is None:
        return _words(None, standing.defence)
    median = standing.at.bands["psnr"][1]
    picture = "no picture" if median != median else f"picture at {plain(median, 2)} dB"  # NaN equals nothing
    return f"{_words(standing.told, standing.defence)}; class named in {percent(standing.at.right_class)}; {picture}"


def _kept(standing: Standing) -> float:
    honest = Material(PRICED, dark=False)
    defence = DEFENCES[standing.defence].build(standing.at.strength)
    return Material(replace(honest.scenario, defences=write_defences([defence])), dark=False).kept_of(honest)
