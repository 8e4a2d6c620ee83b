"""The walk through residual networks, against what really went through them."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label
from gradinv_core.client import client_truth
from gradinv_core.image_recovery.graph import trace_network
from gradinv_core.image_recovery.graph.plan import plan_walk
from gradinv_core.image_recovery.graph.walk import walk
from gradinv_core.image_recovery.peel import ContradictionError

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)


def walked(model, picture, gradients=None, **options):
    truth = client_truth(model, picture, LABEL)
    plan = plan_walk(trace_network(model, tuple(picture.shape)))
    gradients = gradients or capture_gradients(model, picture, LABEL)
    std = 1e-7 * truth.feature.abs() + 1e-9
    return plan, walk(plan, gradients, truth.feature, std, truth.probabilities - truth.label, **options)


@pytest.mark.parametrize("stem", ["plain", "bare", "pooled"])
@pytest.mark.parametrize("size", [8, 6])
def test_every_layers_input_and_gradient_come_back(residual, true_nodes, picture, stem, size):
    model, image = residual(stem), picture((3, size, size))
    plan, found = walked(model, image)
    values, deltas = true_nodes(model, image, LABEL)
    names = {node.name: node.inputs[0] for node in plan.nodes if node.module is not None}
    convolutions = [f"{block}.conv{number}" for block in ("three", "two", "one") for number in (2, 1)]
    assert [step.layer for step in found.steps] == ["head", *convolutions]
    for step in found.steps:
        true = values[names[step.layer]]
        assert float((step.value - true).norm() / true.norm()) < 1e-5, step.layer
    inside = [((s.value - values[names[s.layer]]).abs() <= 2 * s.std + 1e-12).double().mean() for s in found.steps[1:]]
    assert float(torch.stack(inside).mean()) > 0.9
    assert float((found.delta - deltas[plan.bottom]).norm() / deltas[plan.bottom].norm()) < 1e-5
    shorts = {"three.conv1": ["three.short.0"], "two.conv1": ["two.short.0"]}
    assert [layer.name for layer in found.layers] == [n for name in convolutions for n in (name, *shorts.get(name, []))]
    assert all(layer.rank == layer.unknowns and layer.residual < 1e-5 for layer in found.layers)
    assert not any(misfit.unsettled for misfit in found.misfits)


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh, lambda: nn.LeakyReLU(0.1)])
def test_other_activations_have_the_slope_of_their_value(residual, true_nodes, picture, activation):
    model, image = residual(activation=activation), picture((3, 2, 2))  # an average over one position tells its value
    plan, found = walked(model, image)
    values, _ = true_nodes(model, image, LABEL)
    assert found.value is not None
    assert float((found.value - values[plan.bottom]).norm() / values[plan.bottom].norm()) < 1e-4


def test_noise_widens_the_bars_by_as_much(residual, true_nodes, picture):
    model, image = residual(channels=32), picture((3, 8, 8))
    gradients = capture_gradients(model, image, LABEL)
    generator = torch.Generator().manual_seed(0)
    for name, gradient in gradients.items():
        if not name.startswith("head"):
            noise = torch.randn(gradient.shape, generator=generator)
            gradients[name] = gradient + 1e-4 * gradient.square().mean().sqrt() * noise
    plan, found = walked(model, image, gradients, noise_std=1e-6)
    values, _ = true_nodes(model, image, LABEL)
    names = {node.name: node.inputs[0] for node in plan.nodes if node.module is not None}
    shares = [float(((s.value - values[names[s.layer]]).abs() <= 2 * s.std).double().mean()) for s in found.steps[1:]]
    assert min(shares) > 0.85
    assert sum(shares) / len(shares) > 0.9


def test_a_gradient_of_something_else_is_refused(residual, picture):
    model, image, other = residual(), picture((3, 8, 8)), picture((3, 8, 8), seed=1)
    mixed = capture_gradients(model, other, LABEL)
    mixed["head.weight"] = capture_gradients(model, image, LABEL)["head.weight"]
    with pytest.raises(ContradictionError, match="expected the product of"):
        walked(model, image, mixed)


def test_stop_is_honoured_between_layers(residual, picture):
    seen = []
    _, found = walked(residual(), picture((3, 8, 8)), on_step=seen.append, stop=lambda: len(seen) >= 2)
    assert found.stopped
    assert found.value is None
    assert len(found.steps) == len(seen) == 2
