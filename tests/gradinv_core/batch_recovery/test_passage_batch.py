"""What the layers below add: features without zeros of their own, and that samples they cannot tell apart stay open."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from drawn_batches import soft_labels
from torch import nn

from gradinv_core import recover_batch
from gradinv_core.batch_recovery import Obstacle, view_below
from gradinv_core.batch_recovery.layer_below import read_below
from gradinv_core.batch_recovery.passage import passed_features
from gradinv_core.batch_recovery.row_space import row_space, rows_below
from gradinv_core.client import capture_batch_gradients
from gradinv_core.errors import OptionError, ShapeError
from gradinv_core.head import find_head, observe_head


def network(*widths, bias=False, seed=0):
    """Fully connected with ReLUs, and so many positive weights that most units are active for every input."""
    torch.manual_seed(seed)
    layers = [nn.Flatten()]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs, bias=bias), nn.ReLU()]
        with torch.no_grad():
            layers[-2].weight += 0.2 / inputs
    return nn.Sequential(*layers, nn.Linear(widths[-1], 10, bias=bias))


def trained_on(model, images, seed=0):
    """What arrives at the server, and the labels."""
    labels = soft_labels(len(images), 10, np.random.default_rng(seed))
    sent = capture_batch_gradients(model, list(images), [torch.from_numpy(label) for label in labels])
    return sent, labels


def recovered(model, sent, with_below=True, **options):
    below = view_below(model, sent, find_head(model)) if with_below else ()
    return recover_batch(*observe_head(model, sent), below=below, seed=0, programs=40, **options)


def images(count, seed=0):
    return torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bias", [False, True])
def test_layers_below_tell_features_apart_that_have_few_zeros(bias):
    model = network(36, 40, 32, bias=bias, seed=1)
    sent, labels = trained_on(model, images(5))
    alone = recovered(model, sent, with_below=False)
    assert sum(evidence.proven for evidence in alone.evidence) < 5
    answers = recovered(model, sent)
    assert answers.unique == 5
    assert np.abs(answers.labels.numpy()[:, None] - labels[None]).max(2).min(0).max() < 1e-4
    assert all(evidence.passed and evidence.proven for evidence in answers.evidence)
    assert "The layer below the last proves every feature" in answers.message


def test_samples_with_the_same_units_are_told_apart_by_a_layer_further_down_or_not_at_all():
    """In the last but one layer every unit is active for every sample, so any mixture passes through it."""
    model = network(36, 40, 32, seed=2)
    with torch.no_grad():
        model[3].weight.abs_()
    sent, labels = trained_on(model, images(3, seed=1))
    upper = view_below(model, sent, find_head(model))[:1]
    alone = recover_batch(*observe_head(model, sent), below=upper, seed=0, programs=10)
    assert (alone.unique, alone.obstacle) == (0, Obstacle.NO_ZEROS)
    answers = recovered(model, sent)
    assert answers.unique == 3
    assert np.abs(answers.labels.numpy()[:, None] - labels[None]).max(2).min(0).max() < 1e-4


def test_nothing_is_passed_where_no_layer_differs():
    """Two samples whose every unit is active have mixtures at will: no zero, no layer below may call one proven."""
    model = network(36, 40, 32, seed=3)
    with torch.no_grad():
        model[1].weight.abs_()
        model[3].weight.abs_()
    sent, _ = trained_on(model, images(2))
    answers = recovered(model, sent)
    assert (answers.unique, answers.found) == (0, 0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_passes_is_a_feature_even_where_a_unit_is_about_to_change(seed):
    """Nearly equal pictures share most of their units, and mixtures of them can be cut by a single one."""
    model = network(36, 30, 20, seed=seed)
    near = images(1, seed=seed) + 0.15 * torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(seed))
    sent, _ = trained_on(model, near.clamp(0, 1), seed)
    view = observe_head(model, sent)
    space = row_space(view.weight_grad.double().numpy(), 2.0**-24, None, 9)
    layers = read_below(view_below(model, sent, find_head(model)), 20)
    search = passed_features(space, layers, None, np.random.default_rng(0))
    with torch.no_grad():
        features = model[:-1](near.clamp(0, 1)).double().numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    assert search.proven
    for direction in search.proven:
        assert (features @ direction.entries / np.linalg.norm(direction.entries)).max() > 1 - 1e-7


def test_layers_are_found_only_where_a_relu_follows_and_all_was_sent():
    model = network(36, 12, 8, bias=True)
    sent, _ = trained_on(model, images(2))
    assert [view.weight.shape[0] for view in view_below(model, sent, "5")] == [8, 12]
    del sent["1.bias"]
    assert len(view_below(model, sent, "5")) == 1
    model[4] = nn.Tanh()
    assert view_below(model, sent, "5") == []
    assert view_below(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Linear(2, 4)), {}, "2") == []


def test_a_layer_too_small_to_leave_anything_over_spans_nothing_of_use():
    assert rows_below(np.eye(3), 3, 2.0**-24, None) is None
    assert rows_below(np.outer(np.arange(4.0), np.ones(6)), 2, 2.0**-24, None) is None


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (lambda w: (w,), OptionError, "expected \\(weight, weight_grad\\) or"),
        (lambda w: (w, w, w[:, 0], None), OptionError, "expected bias and bias_grad or neither"),
        (lambda w: (w, w[:3]), ShapeError, "expected a weight with 256 rows"),
        (lambda w: (w, w, w[:3, 0], w[:3, 0]), ShapeError, "one entry of bias for each of 256 units"),
    ],
)
def test_a_layer_that_does_not_fit_gets_one_sentence(entry, error, message):
    with pytest.raises(error, match=message):
        recover_batch(torch.ones(10, 256), torch.ones(10, 256), below=[entry(torch.ones(256, 8))])
