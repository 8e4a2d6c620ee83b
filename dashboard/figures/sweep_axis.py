"""The axes of a sweep: how values are written, and a range for all results with a row for attacks without any."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

import numpy as np

from dashboard.drawing.number_text import power_of_ten
from dashboard.figures.base import Array
from gradinv_core.experiments.sweep.summary import SweepMetric

__all__ = ["ValueAxis", "ticks", "value_axis"]

_LEAST = 1e-9  # an error below this is rounding, and zero has no place on an axis that counts in factors
_SMALL = 1e-3  # below it a number needs a power of ten
_ROUNDING = 1e-9
_MOST_TICKS = 6
_STEPS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_MARGIN, _ROW = 0.05, 0.12  # of the range: around the values, and for the row without an answer


@dataclass(frozen=True)
class ValueAxis:
    """Where values stand.

    Attributes:
        range: both ends, as Plotly wants them: logarithms where the axis counts in factors.
        tick_values: where ticks stand.
        tick_texts: what they say.
        least: values below it are drawn at it; minus infinity where nothing is too small.
        silent_place: where an attack without an answer stands.
    """

    range: tuple[float, float]
    tick_values: tuple[float, ...]
    tick_texts: tuple[str, ...]
    least: float
    silent_place: float

    def clip(self, values: Array) -> Array:
        """Values that have a place on the axis; NaN stays."""
        return np.maximum(values, self.least)


def value_axis(values: Array, metric: SweepMetric, *, silent: bool) -> ValueAxis:
    """The axis for some values of a metric.

    Args:
        values: those there are.
        metric: whose.
        silent: whether there are attacks without an answer.
    """
    return _factors(values, metric, silent) if metric.logarithmic else _steps(values, metric, silent)


def _factors(values: Array, metric: SweepMetric, silent: bool) -> ValueAxis:
    """Powers of ten up to one; large is bad, so the row stands on top."""
    lowest = floor(log10(max(float(values.min(initial=metric.shown[0])), _LEAST)))
    every = ceil((1 - lowest) / _MOST_TICKS)
    exponents = list(range(0, lowest - 1, -every))[::-1]
    span = -lowest
    place = _ROW * span
    ticks = [(10.0**exponent, power_of_ten(exponent)) for exponent in exponents]
    if silent:
        ticks.append((10.0**place, metric.missing))
    top = place + _MARGIN * span if silent else _MARGIN * span
    tick_values, tick_texts = zip(*ticks, strict=True)
    return ValueAxis((lowest - _MARGIN * span, top), tick_values, tick_texts, _LEAST, 10.0**place)


def _steps(values: Array, metric: SweepMetric, silent: bool) -> ValueAxis:
    """Even steps up to the best value; small is bad, so the row stands at the bottom."""
    worst, best = (float(end) for end in (values.min(initial=metric.shown[0]), values.max(initial=metric.shown[1])))
    step = next((step for step in _STEPS if (best - worst) / step < _MOST_TICKS), _STEPS[-1])
    low, high = floor(worst / step) * step, ceil(best / step) * step
    span = high - low
    ticks = [(low + number * step, f"{low + number * step:.4g}") for number in range(round(span / step) + 1)]
    place = low - _ROW * span
    if silent:
        ticks.insert(0, (place, metric.missing))
    bottom = place - _MARGIN * span if silent else low - _MARGIN * span
    tick_values, tick_texts = zip(*ticks, strict=True)
    return ValueAxis((bottom, high + _MARGIN * span), tick_values, tick_texts, -np.inf, place)


def ticks(values: Sequence[float | str]) -> list[str]:
    """What varies, as people read it: few digits; where one needs a power of ten, all below one are written that way.

    An axis that says 10⁻⁴ in one place and 0.001 in the next makes its reader count zeros.
    """
    powers = any(0 < value < _SMALL for value in values if not isinstance(value, str))
    return [value if isinstance(value, str) else _tick(value, powers) for value in values]


def _tick(value: float, powers: bool) -> str:
    if not powers or not 0 < value < 1:
        return f"{value:,g}"
    exponent = floor(log10(value) + _ROUNDING)
    mantissa = f"{value / 10.0**exponent:.3g}"
    return power_of_ten(exponent) if mantissa == "1" else f"{mantissa}\u00a0×\u00a0{power_of_ten(exponent)}"
