"""What a sweep found: a figure whose points open the Lab, and a table of medians."""

import textwrap
from collections.abc import Sequence
from math import isnan

import streamlit as st

from dashboard.address import classroom, query_of
from dashboard.address.sweep_settings import SweepSettings
from dashboard.claims.plain_words import in_words
from dashboard.drawing.number_text import percent, plain
from dashboard.figures.sweep_axis import ticks
from dashboard.figures.sweep_bands import SweepAxis, SweepMarks, band_words, sweep_bands
from dashboard.layout.story import chart
from dashboard.pages import LAB
from gradinv_core.experiments.sweep.parameters import SWEEP_PARAMETERS, SweepPosition
from gradinv_core.experiments.sweep.run import SweepPoint
from gradinv_core.experiments.sweep.summary import (
    SWEEP_METRICS,
    Kind,
    SweepMetric,
    kind_of,
    succeeded,
    summarise,
    value_of,
)

__all__ = ["show"]

_WIDTH = 56  # characters of a line in a hover text
_EXPLANATION = (
    "“Most” means at least half of the attacks at that value; an attack without an answer counts as a failure. "
    "“Certain” is what the server says about its own answer, without knowing the truth; “right” is what the truth says."
)
_CLICKS = {
    True: "click it to open exactly this one in the Lab",
    False: "when the sweep is over or stopped, a click opens exactly this one in the Lab",
}
_KEPT = "another network, another picture"
_SHARES = {
    Kind.CERTAIN: "The server says that no other label fits, and it is right.",
    Kind.WRONG: "The server says that no other label fits, and it is wrong by more than one percent.",
    Kind.OPEN: "The server says that several labels fit; its best guess is counted in the medians.",
    Kind.NOTHING: "There was no answer: the gradient was zero or not one sample's, or the client could not even train.",
}


def show(
    points: Sequence[SweepPoint],
    positions: Sequence[SweepPosition],
    settings: SweepSettings,
    metric: SweepMetric,
    *,
    clickable: bool,
) -> None:
    """Draw figure and table; a click on a point leads to the Lab.

    Args:
        points: those there are.
        positions: the places on the axis.
        settings: of the sweep.
        metric: how success is measured.
        clickable: whether the sweep is over. Before, the figure changes all the time, and Streamlit must not leave a
            page from a part of it that draws itself again on its own.
    """
    figure = sweep_bands(
        _axis(positions, settings), metric, _marks(points, positions, settings, metric), dark=_is_dark()
    )
    kept = classroom().locked  # then nothing opens another scenario
    clicks, clickable = _KEPT if kept else _CLICKS[clickable], clickable and not kept
    # Two keys: a figure that lost its clicks must not be taken for the one that has them.
    key = "sweep figure" if clickable else "sweep figure so far"
    chosen = chart(figure, key, _EXPLANATION, clickable=clickable)
    if chosen is not None and chosen < len(points):
        # The address carries the scenario: the Lab's widgets are filled from it, and the back button leads here again.
        st.switch_page(LAB.path, query_params=query_of(points[chosen].scenario))
    st.caption(
        f"Each mark is one attack: {clicks}. The line is the median of the attacks "
        f"with an answer, the shade behind it {band_words(settings.repeats)}. Below: how often the server says that it "
        f"is certain, and how often it names the right class."
    )
    _table(points, positions, settings)


def _is_dark() -> bool:
    return st.context.theme.type == "dark"


def _axis(positions: Sequence[SweepPosition], settings: SweepSettings) -> SweepAxis:
    parameter = SWEEP_PARAMETERS[settings.parameter]
    return SweepAxis(
        name=parameter.title,
        title=parameter.axis,
        places=[position.place for position in positions],
        ticks=ticks([position.value for position in positions]),
        major=[position.major for position in positions],
        ordered=parameter.ordered,
    )


def _marks(
    points: Sequence[SweepPoint], positions: Sequence[SweepPosition], settings: SweepSettings, metric: SweepMetric
) -> SweepMarks:
    title, texts = SWEEP_PARAMETERS[settings.parameter].title, ticks([position.value for position in positions])
    return SweepMarks(
        positions=[point.position for point in points],
        repeats=[point.repeat for point in points],
        values=[value_of(point, metric.name) for point in points],
        kinds=[kind_of(point) for point in points],
        right_class=[point.top_1 for point in points],
        planned=settings.repeats,
        succeeded=[succeeded(point, metric.name) for point in points],
        hovers=[_hover(point, f"{title}: {texts[point.position]}") for point in points],
    )


def _hover(point: SweepPoint, place: str) -> str:
    """All there is to say about one attack."""
    scenario = point.scenario
    lines = [f"<b>{place}</b>", f"seed {scenario.seed}, picture {scenario.image}: {kind_of(point)}"]
    for name, metric in SWEEP_METRICS.items():
        if getattr(point, name) is not None:
            lines.append(f"{metric.title} {_number(name, getattr(point, name))}")
    lines += textwrap.wrap(in_words(point.message), _WIDTH)[:5]
    return "<br>".join(lines)


def _number(metric: str, value: float) -> str:
    """Few digits; a cosine gets four places, because those close to one are the interesting ones."""
    return f"{value:.4f}" if metric == "feature_cosine" and not isnan(value) else plain(value)


def _table(points: Sequence[SweepPoint], positions: Sequence[SweepPosition], settings: SweepSettings) -> None:
    """One row for each value that was tried."""
    rows = summarise(points, len(positions))
    metrics = [metric for name, metric in SWEEP_METRICS.items() if settings.picture or name != "psnr"]
    columns: dict[str, list[str]] = {SWEEP_PARAMETERS[settings.parameter].title: [], "attacks": []}
    columns |= {metric.title: [] for metric in metrics}
    columns |= {**{str(kind): [] for kind in Kind}, "right class": []}
    for value, row in zip(ticks([position.value for position in positions]), rows, strict=True):
        if row.tried:
            texts = [value, f"{row.tried}"]
            texts += [
                plain(row.medians[metric.name], 4 if metric.name == "feature_cosine" else 3) for metric in metrics
            ]
            texts += [*(percent(row.shares[kind]) for kind in Kind), percent(row.right_class)]
            for column, text in zip(columns.values(), texts, strict=True):
                column.append(text)
    helps = {metric.title: f"Median of the attacks that have one. {metric.explanation}" for metric in metrics}
    helps |= {str(kind): words for kind, words in _SHARES.items()}
    helps |= {
        "attacks": "How many have ended so far.",
        "right class": "Attacks whose label has its largest share where the true one has it.",
    }
    st.dataframe(
        columns,
        hide_index=True,
        key="sweep table",
        column_config={name: st.column_config.TextColumn(name, help=words) for name, words in helps.items()},
        height="content",
    )
