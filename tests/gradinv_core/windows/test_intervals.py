"""Sets of intervals against the definition: which numbers lie inside."""

from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradinv_core.errors import OptionError
from gradinv_core.windows.intervals import intersect, intersect_all, tidy

ENDS = st.one_of(st.integers(-6, 6).map(float), st.sampled_from([-inf, inf]))
INTERVALS = st.lists(st.tuples(ENDS, ENDS).map(lambda ends: (min(ends), max(ends))), max_size=5)
PROBES = [-inf, *(step / 2 for step in range(-14, 15)), inf]


def holds(intervals, value):
    return any(low <= value <= high for low, high in intervals)


@given(INTERVALS)
def test_tidy_keeps_the_set_and_leaves_gaps_between_its_pieces(intervals):
    pieces = tidy(intervals)
    assert all(holds(pieces, value) == holds(intervals, value) for value in PROBES)
    assert all(first[1] < second[0] for first, second in pairwise(pieces))
    assert tidy(pieces) == pieces


@given(INTERVALS, INTERVALS)
def test_the_intersection_holds_what_both_hold(first, second):
    common = intersect(first, second)
    assert all(holds(common, value) == (holds(first, value) and holds(second, value)) for value in PROBES)
    assert common == intersect(second, first)


@given(st.lists(INTERVALS, max_size=4))
def test_many_sets_are_cut_in_any_order(sets):
    assert intersect_all(sets) == intersect_all(reversed(sets))


def test_no_set_restricts_nothing():
    assert intersect_all([]) == [(-inf, inf)]


def test_a_shared_end_is_a_point_of_width_zero():
    assert intersect([(1.0, 2.0)], [(2.0, 3.0)]) == [(2.0, 2.0)]


def test_overlaps_are_joined():
    assert tidy([(0.0, 2.0), (1.0, 4.0)]) == [(0.0, 4.0)]


@pytest.mark.parametrize("interval", [(2.0, 1.0), (nan, 1.0), (0.0, nan)])
def test_an_interval_upside_down_is_refused(interval):
    with pytest.raises(OptionError, match="low <= high"):
        tidy([interval])
