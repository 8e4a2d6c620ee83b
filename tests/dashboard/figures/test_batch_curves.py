"""The curves of a batch, strip by strip."""

import numpy as np

from dashboard.figures.batch_curves import SampleCurve, batch_curves


def test_a_strip_for_each_sample_with_a_mark_where_its_lambda_was_found():
    scales = np.array([-10.0, -2.0, -1.0, 1.0, 10.0])
    curve = SampleCurve(scales, np.array([1.0, 0.0, 1.0, 1.0, 1.0]), -2.0)
    figure = batch_curves([curve, None, curve], title="2 of 3").checked()
    assert [(line.name, line.yaxis or "y") for line in figure.data if line.name == "found"] == [
        ("found", "y"),
        ("found", "y3"),
    ]
    marks = [line.x for line in figure.data if line.name == "found"]
    left = next(line for line in figure.data if line.name != "found")
    assert marks[0][0] == left.x[1]  # where the loss is lowest
    assert sum(bool(line.showlegend) for line in figure.data) == 2
    assert figure.layout.title.text == "2 of 3"
