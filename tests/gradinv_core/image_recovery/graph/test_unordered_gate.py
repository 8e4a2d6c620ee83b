"""Units under an average above a 1x1 convolution: found in no order, then put in order by the layer below that."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label
from gradinv_core.client import client_truth
from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph import trace_network
from gradinv_core.image_recovery.graph.plan import plan_walk
from gradinv_core.image_recovery.graph.reader import reader_of
from gradinv_core.image_recovery.graph.signs import Reading
from gradinv_core.image_recovery.graph.unordered_gate import columns_of_units, in_order
from gradinv_core.image_recovery.graph.walk import walk

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)


def network(*ending):
    return nn.Sequential(
        nn.Conv2d(3, 24, 3, 1, 1),
        nn.ReLU(),
        nn.Conv2d(24, 48, 3, 2, 1, bias=False),
        nn.BatchNorm2d(48),
        nn.ReLU(),
        nn.Conv2d(48, 96, 1, bias=False),
        nn.BatchNorm2d(96),
        nn.ReLU(),
        *ending,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(96, 10, bias=False),
    )


def test_everything_below_comes_back(filled, true_nodes, picture):
    model, image = filled(network()), picture((3, 4, 4))
    truth = client_truth(model, image, LABEL)
    plan = plan_walk(trace_network(model, tuple(image.shape)))
    gradients = capture_gradients(model, image, LABEL)
    std = 1e-7 * truth.feature.abs() + 1e-9
    found = walk(plan, gradients, truth.feature, std, truth.probabilities - truth.label)
    values, deltas = true_nodes(model, image, LABEL)
    names = {node.name: node.inputs[0] for node in plan.nodes if node.module is not None}
    assert len(found.steps) == 3
    for step in found.steps:
        true = values[names[step.layer]]
        assert float((step.value - true).norm() / true.norm()) < 1e-5, step.layer
    assert float((found.delta - deltas[plan.bottom]).norm() / deltas[plan.bottom].norm()) < 1e-5


def test_without_a_layer_that_orders_the_average_stands_in_the_way(filled):
    model = filled(network(nn.Conv2d(96, 96, 1), nn.ReLU()))
    plan = plan_walk(trace_network(model, (3, 4, 4)))
    assert plan.obstacle.startswith("an average over 2 x 2 positions stands behind layer 9 (ReLU), and the layers")


def test_gradients_of_something_else_are_refused():
    generator = torch.Generator().manual_seed(0)
    whole = torch.randn(64, 1, dtype=torch.float64, generator=generator).expand(-1, 4)
    reader = reader_of("layer", nn.Conv2d(16, 64, 1), (16, 2, 2))
    drawn = torch.randn(64, 16, 1, dtype=torch.float64, generator=generator)
    with pytest.raises(NoExactRouteError, match="which of the 4 positions under its average"):
        columns_of_units(Reading(reader, drawn, whole, None, whole), "act")
    kernel = reader_of("layer", nn.Conv2d(16, 64, 3, padding=1), (16, 2, 2))
    with pytest.raises(NoExactRouteError, match="which of the 4 positions under its average"):
        in_order(Reading(kernel, drawn.expand(-1, -1, 9), drawn[:, :4, 0]), "act")
