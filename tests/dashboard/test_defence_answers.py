"""The answer table of "What protects": read off the stored measurement, with a price that is computed."""

from dataclasses import replace

import pytest

from dashboard.sections.protection import answer
from dashboard.sections.protection.answer import holds_from, standings
from gradinv_core.defences import DEFENCES
from gradinv_core.experiments.sweep.stored_study import StoredCurve, StoredPoint, read_study

POINT = StoredPoint(0.0, 50, 1.0, 1.0, {}, {})


def curve(*right):
    points = tuple(replace(POINT, strength=float(place), right=share) for place, share in enumerate(right))
    return StoredCurve("fcn_small", "gaussian", True, points)


@pytest.mark.parametrize(
    ("right", "strength"),
    [
        ((1.0, 0.4, 0.1, 0.0), 2.0),
        ((1.0, 0.0, 0.5, 0.0), 3.0),  # hidden by accident at one strength, and read again at the next
        ((0.0, 0.0), 0.0),
        ((0.0, 0.2), None),
    ],
)
def test_a_defence_holds_from_where_all_stronger_ones_hold(right, strength):
    found = holds_from(curve(*right))
    assert (None if found is None else found.strength) == strength


def test_every_defence_of_the_measurement_has_its_row():
    rows = {standing.defence: standing for standing in standings(read_study())}
    assert set(rows) == set(DEFENCES)
    assert rows["clip"].told is None  # its direction stays exact, whoever asks
    assert rows["quantise"].told.strength < 16  # fewer bits are stronger
    for standing in rows.values():
        assert standing.told is None or standing.told.right <= 0.1


def test_the_price_is_that_of_the_gradient():
    rows = {standing.defence: standing for standing in standings(read_study())}
    assert answer._kept(rows["clip"]) == pytest.approx(1.0, abs=1e-6)
    assert 0.0 < answer._kept(rows["prune"]) < 0.9
