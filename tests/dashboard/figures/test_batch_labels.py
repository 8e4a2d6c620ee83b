"""The labels of a batch, strip by strip."""

import numpy as np

from dashboard.drawing.theme import AMBIGUOUS_HATCH
from dashboard.figures.batch_labels import batch_labels


def test_a_strip_for_each_sample_hatched_where_it_is_open_and_empty_where_there_is_none():
    true = np.eye(4)[:3]
    figure = batch_labels([true[0], true[1], None], list(true), [True, False, False], title="2 of 3").checked()
    bars = [(bar.name, bar.yaxis or "y") for bar in figure.data]
    assert bars == [("recovered", "y"), ("truth", "y"), ("recovered", "y2"), ("truth", "y2"), ("truth", "y3")]
    assert [bar.marker.pattern.shape for bar in figure.data if bar.name == "recovered"] == [None, AMBIGUOUS_HATCH]
    assert figure.layout.title.text == "2 of 3"
    assert (
        figure.layout.height < batch_labels([None] * 8, [true[0]] * 8, [False] * 8, title="").spec["layout"]["height"]
    )
