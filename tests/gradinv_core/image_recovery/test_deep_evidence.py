"""The layer below the head settles lambda: against the client's truth, and against the equations written out."""

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, recover_from_gradients, recover_label, smooth_label
from gradinv_core.checkpoints import load_checkpoint
from gradinv_core.client import client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.head import observe_head
from gradinv_core.image_recovery.convolution_matrix import correlation_blocks, output_matrix
from gradinv_core.label_recovery import Doubt, Status, Window
from gradinv_core.networks import build_network

SMOOTH = smooth_label(3, 10, 0.1)


def dirichlet(seed):
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(10)))


def photograph(seed=0):
    return torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", ["lenet_sigmoid", "lenet_tanh", "lenet_leaky_relu", "lenet_relu"])
@pytest.mark.parametrize("seed", range(5))
def test_any_label_comes_back_through_a_bias_free_head(name, seed):
    model, label = build_network(name, 10, seed=seed), dirichlet(seed)
    gradients = capture_gradients(model, photograph(seed), label)
    view = observe_head(model, gradients)
    assert recover_label(view.weight, view.weight_grad).status is Status.AMBIGUOUS
    answer = recover_from_gradients(model, gradients, label_format="any")
    assert (answer.status, answer.window, answer.solver) == (Status.UNIQUE, Window.LAYER_BELOW, "layer_below")
    assert answer.condition.endswith("not rescaled, and the loss plain cross-entropy")
    assert (answer.label - label).abs().max() < 1e-6
    low, high = answer.intervals[0]
    assert low <= client_truth(model, photograph(seed), label).scale <= high
    unannounced = recover_from_gradients(model, gradients)
    assert (unannounced.status, unannounced.doubt, unannounced.feature_known) == (Status.AMBIGUOUS, Doubt.FORMAT, True)
    assert (unannounced.label - label).abs().max() < 1e-6


@pytest.mark.parametrize("initialisation", ["pytorch", "uniform"])
def test_one_hot_predictions_are_settled(initialisation):
    model = build_network("lenet_sigmoid", 10, seed=2, initialisation=initialisation)
    with torch.no_grad():
        model[-1].weight.mul_(300.0)
    gradients = capture_gradients(model, photograph(2), SMOOTH)
    view = observe_head(model, gradients)
    assert recover_label(view.weight, view.weight_grad).status is Status.AMBIGUOUS
    answer = recover_from_gradients(model, gradients)
    assert answer.status is Status.UNIQUE
    assert answer.label_format == "smoothing"
    assert (answer.label - SMOOTH).abs().max() < 1e-5


def test_an_over_confident_trained_network_is_settled():
    model, digits = load_checkpoint("lenet_sigmoid", "hard-epoch-160"), load_dataset("digits", 32)
    settled = 0
    for index in range(0, 42, 7):
        image, target = digits[index]
        label = smooth_label(target, 10, 0.1)
        answer = recover_from_gradients(model, capture_gradients(model, image, label))
        settled += answer.window is Window.LAYER_BELOW
        assert answer.status is Status.UNIQUE
        assert (answer.label - label).abs().max() < 1e-5
    assert settled >= 4


def test_the_answer_is_where_both_systems_of_the_layer_below_agree():
    """An independent route: the least-squares misfit of the last convolution's equations, lambda by lambda."""
    model, label = build_network("lenet_sigmoid", 10, seed=1).double(), dirichlet(1)
    gradients = capture_gradients(model, photograph(1), label)
    answer = recover_from_gradients(model, gradients)
    layer, weight = model[4], model[7].weight.detach()
    forward = torch.from_numpy(output_matrix(layer, (12, 8, 8)).toarray())
    direction = answer.feature / answer.scale
    ratios = gradients["7.weight"] @ direction / (direction @ direction)

    def misfit(scale):
        feature = scale * direction
        output = torch.logit(feature) - layer.bias.detach().repeat_interleave(64)
        delta = (weight.T @ ratios / scale) * feature * (1 - feature)
        block = torch.from_numpy(correlation_blocks(layer, (12, 8, 8), delta))[0]
        gradient = gradients["4.weight"].reshape(12, 12, 25).permute(0, 2, 1).reshape(300, 12)
        rows = torch.cat([forward / output.norm(), torch.kron(torch.eye(12), block) / gradient.norm()])
        values = torch.cat([output / output.norm(), gradient.T.flatten() / gradient.norm()])
        solved = torch.linalg.lstsq(rows, values[:, None], driver="gels").solution[:, 0]  # of full rank
        return float((rows @ solved - values).norm())

    at = misfit(answer.scale)
    assert at < 1e-9
    assert all(misfit(answer.scale * (1 + step)) > 100 * at for step in (-0.02, -1e-4, 1e-4, 0.02))


def test_a_linear_layer_without_bias_speaks_through_its_direction():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Flatten(), nn.Linear(192, 64, bias=False), nn.Sigmoid(), nn.Linear(64, 10, bias=False)
        ).eval()
    label, image = dirichlet(4), torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(4))
    answer = recover_from_gradients(model, capture_gradients(model, image, label))
    assert answer.window is Window.LAYER_BELOW
    assert (answer.label - label).abs().max() < 1e-5


def test_a_homogeneous_layer_without_bias_says_nothing():
    model, label = build_network("fcn_small", 10, seed=3), dirichlet(3)
    gradients = capture_gradients(model, photograph(3), label)
    answer = recover_from_gradients(model, gradients)
    assert answer.status is Status.AMBIGUOUS
    assert answer.window is Window.SIMPLEX
    truth = client_truth(model, photograph(3), label).scale
    assert any(low <= truth <= high for low, high in answer.intervals)


def test_the_head_is_believed_where_it_knows():
    model = build_network("lenet_sigmoid", 10)
    answer = recover_from_gradients(model, capture_gradients(model, photograph(), SMOOTH))
    assert answer.window is Window.LABEL_STRUCTURE
    biased = build_network("lenet_sigmoid", 10, head_bias=True)
    assert recover_from_gradients(biased, capture_gradients(biased, photograph(), SMOOTH)).window is Window.BIAS


@pytest.mark.parametrize("level", [1e-5, 1e-4, 1e-3])
def test_the_interval_holds_under_noise(level):
    held = 0
    for seed in range(20):
        model, label = build_network("lenet_tanh", 10, seed=seed), dirichlet(seed)
        gradients = capture_gradients(model, photograph(seed), label)
        std = level * gradients["7.weight"].square().mean().sqrt()
        generator = torch.Generator().manual_seed(seed)
        noisy = {name: g + std * torch.randn(g.shape, generator=generator) for name, g in gradients.items()}
        answer = recover_from_gradients(model, noisy)
        truth = client_truth(model, photograph(seed), label).scale
        held += any(low <= truth <= high for low, high in answer.intervals)
    assert held >= 18


def test_networks_it_cannot_look_into_get_the_heads_answer():
    model = build_network("resnet18", 10)
    gradients = capture_gradients(
        model, torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)), dirichlet(0)
    )
    answer = recover_from_gradients(model, gradients)
    assert answer.window is not Window.LAYER_BELOW
    incomplete = build_network("lenet_tanh", 10)
    gradients = capture_gradients(incomplete, photograph(), dirichlet(0))
    del gradients["4.bias"]
    assert recover_from_gradients(incomplete, gradients).status is Status.AMBIGUOUS


class Doubled(nn.Sigmoid):
    """Computes something else than its parent."""

    def forward(self, value):
        return 2 * super().forward(value)


class Plain(nn.Sequential):
    def forward(self, value):
        return super().forward(value)


@pytest.mark.parametrize("kind", ["activation", "container"])
def test_a_subclass_says_nothing_and_breaks_nothing(kind):
    model = build_network("lenet_sigmoid", 10, seed=0)
    if kind == "activation":
        model[5] = Doubled()
    else:
        model = Plain(*model)
    answer = recover_from_gradients(model, capture_gradients(model, photograph(), dirichlet(0)))
    assert answer.status is Status.AMBIGUOUS
