"""The layer below the head settles lambda through skips and averages: by one bias, in units of whole positions."""

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, reconstruct_image, recover_from_gradients
from gradinv_core.client import client_truth
from gradinv_core.image_recovery.deep_evidence import _roots
from gradinv_core.image_recovery.graph.before_head import leaves_before_head_in_graph
from gradinv_core.image_recovery.layer_evidence import LayerEvidence
from gradinv_core.label_recovery import Status, Window
from tests.gradinv_core.image_recovery.graph.written import Written

LABEL = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(10)))  # of no format, so that the head cannot know


@pytest.mark.parametrize(("size", "positions"), [(4, 1), (8, 4)])
def test_any_label_comes_back_from_a_residual_network(residual, smooth_picture, size, positions):
    model, image = residual("plain", channels=8), smooth_picture(size)
    leaves, averaged = leaves_before_head_in_graph(model, "head", image.shape)
    assert ([name for name, _ in leaves], averaged) == (["three.bn2", "three.act2"], positions)
    gradients = capture_gradients(model, image, LABEL)
    assert recover_from_gradients(model, gradients, label_format="any").status is Status.AMBIGUOUS
    answer = recover_from_gradients(model, gradients, label_format="any", input_shape=image.shape)
    assert (answer.status, answer.window) == (Status.UNIQUE, Window.LAYER_BELOW)
    assert (answer.label - LABEL).abs().max() < 1e-6
    low, high = answer.intervals[0]
    assert low <= client_truth(model, image, LABEL).scale <= high
    assert high - low < 1e-5 * abs(answer.scale)


def test_the_picture_has_error_bars_that_the_head_alone_would_not_allow(residual, smooth_picture):
    model, image = residual("plain"), smooth_picture()
    found = reconstruct_image(model, capture_gradients(model, image, LABEL), image.shape, method="analytic")
    assert found.label.window is Window.LAYER_BELOW
    assert found.std is not None
    assert float(((found.image - image).abs() <= 2 * found.std).double().mean()) > 0.9


def averaged(counts, positions=4):
    """A layer below an average of which so many units of every channel were active; lambda is 2."""
    counts = torch.as_tensor(counts, dtype=torch.float64)
    pull = torch.linspace(1, 2, len(counts), dtype=torch.float64)
    observed = pull / 2 * counts / positions
    return LayerEvidence(nn.ReLU(), torch.ones_like(pull), pull, observed, True, 0.0, 2.0**-24, positions)


def test_whole_numbers_of_positions_single_lambda_out_or_leave_several():
    (mode,) = _roots(averaged([1, 2, 3, 4]), 1.96).modes
    assert mode.scale == pytest.approx(2.0, rel=1e-9)
    several = _roots(averaged([2, 4, 2, 4]), 1.96).modes  # or half as many of each
    assert sorted(mode.scale for mode in several) == pytest.approx([1.0, 2.0], rel=1e-9)
    assert _roots(averaged([1.3, 2, 3.7, 4]), 1.96).modes == []


def test_what_cannot_be_followed_says_nothing(residual, smooth_picture, filled):
    image = smooth_picture(4)
    tanh = residual("plain", channels=8, activation=nn.Tanh)
    leaves, _ = leaves_before_head_in_graph(tanh, "head", image.shape)
    assert [name for name, _ in leaves] == ["three.bn2", "three.act2"]  # one position: any activation will do
    wide = recover_from_gradients(tanh, capture_gradients(tanh, smooth_picture(8), LABEL), input_shape=(3, 8, 8))
    assert wide.window is not Window.LAYER_BELOW  # the mean of four is not what each of them was
    assert leaves_before_head_in_graph(tanh, "stem", image.shape) == ([], 1)

    def twice(net, picture):
        value = torch.relu(net.layer(torch.flatten(picture, 1)))
        return net.head(value) + 0 * net.other(value)

    layers = {"layer": nn.Linear(48, 6), "other": nn.Linear(6, 10), "head": nn.Linear(6, 10)}
    assert leaves_before_head_in_graph(filled(Written(twice, **layers)), "head", image.shape) == ([], 1)
