"""The axis for lambda: two logarithmic sides, a gap between them, infinity at both ends."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.figures.lambda_scale import LambdaScale

SCALES = st.one_of(st.floats(1e-12, 1e12), st.floats(-1e12, -1e-12), st.sampled_from([-inf, inf]))


@given(st.lists(SCALES, min_size=2, max_size=6))
def test_positions_keep_the_order_and_stay_on_the_axis(scales):
    axis = LambdaScale.around(scales)
    places = [axis.position(scale) for scale in sorted(scales)]
    assert places == sorted(places)
    assert all(-axis.end <= place <= axis.end for place in places)


@given(st.lists(SCALES, min_size=1, max_size=6))
def test_ticks_rise_from_end_to_end_with_one_text_each(scales):
    axis = LambdaScale.around(scales)
    assert len(axis.tick_positions) == len(axis.tick_texts) <= 8
    assert axis.tick_positions == sorted(set(axis.tick_positions))
    assert (axis.tick_positions[0], axis.tick_positions[-1]) == (-axis.end, axis.end)
    assert (axis.tick_texts[0], axis.tick_texts[-1]) == ("−∞", "∞")


def test_infinity_stands_beyond_every_number():
    axis = LambdaScale.around([2.0, 1e4, inf])
    assert axis.position(inf) == axis.end > axis.position(1e4)
    assert axis.position(-inf) == -axis.end


def test_one_is_where_a_side_begins_unless_something_smaller_is_drawn():
    assert (LambdaScale.around([5.0]).lowest, LambdaScale.around([-0.03]).lowest) == (0, -2)
    axis = LambdaScale.around([5.0, inf])
    assert axis.position(0.5) == axis.position(1.0) > 0
    assert axis.tick_texts == ["−∞", "−10", "−1", "1", "10", "∞"]
    assert LambdaScale.around([1e4]).tick_texts[-3:] == ["100", "10⁴", "∞"]


def test_an_axis_of_nothing_is_still_an_axis():
    assert LambdaScale.around([]).tick_texts == LambdaScale.around([inf, 0.0]).tick_texts


@pytest.mark.parametrize(
    ("interval", "parts"), [((2.0, 5.0), 1), ((-5.0, -2.0), 1), ((-2.0, 5.0), 2), ((-inf, inf), 2)]
)
def test_an_interval_across_the_gap_comes_in_two(interval, parts):
    axis = LambdaScale.around(interval)
    stretches = axis.stretches(*interval)
    assert len(stretches) == parts
    assert all(left < right for left, right in stretches)
    assert (stretches[0][0], stretches[-1][1]) == tuple(axis.position(end) for end in interval)
