"""Unknowns and equations of every layer, counted by hand."""

import pytest
import torch

from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.image_recovery import layer_budget
from gradinv_core.networks import build_network


def test_lenet_is_counted_as_on_paper():
    rows = layer_budget(build_network("lenet_relu", 10), (3, 32, 32))
    assert [row.name for row in rows] == ["0", "2", "4", "7"]
    assert [row.unknowns for row in rows] == [3 * 32 * 32, 12 * 16 * 16, 12 * 8 * 8, 768]
    assert [row.output_equations for row in rows] == [12 * 16 * 16, 12 * 8 * 8, 12 * 8 * 8, 10]
    assert [row.gradient_equations for row in rows] == [12 * 75, 12 * 300, 12 * 300, 7680]
    assert [row.kind for row in rows] == ["convolution"] * 3 + ["fully connected"]


def test_any_network_can_be_counted_and_stays_as_it_is():
    model = build_network("resnet18", 10).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    rows = layer_budget(model, (3, 64, 64))
    assert len(rows) == 21
    assert rows[0].input_shape == (3, 64, 64)
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match=r"input_shape: expected an image the network can take, got \(3, 8, 8\)"):
        layer_budget(build_network("lenet_relu", 10), (3, 8, 8))
    with pytest.raises(ShapeError, match="input_shape: expected"):
        layer_budget(build_network("lenet_relu", 10), (3, 8))


def test_a_network_without_parameters_is_refused():
    with pytest.raises(OptionError, match="expected one with parameters, got Flatten"):
        layer_budget(torch.nn.Flatten(), (3, 8, 8))
