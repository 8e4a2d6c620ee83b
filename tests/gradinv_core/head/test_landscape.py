"""Pseudo-labels and losses against a direct forward pass, and the properties the mathematics promises."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradinv_core import variance_loss
from gradinv_core.errors import OptionError
from gradinv_core.head import factor_heads
from gradinv_core.head.landscape import LAMBDA_GRID, pseudo_labels, variance_losses
from gradinv_core.head.structures import LABEL_FORMATS

SCALES = np.array([-50.0, -3.0, -1.0, 1.0, 1.5, 400.0])


def test_pseudo_label_equals_the_forward_pass_of_the_scaled_row(known_head):
    known = known_head(dtype=torch.float64, head_bias=True)
    head = factor_heads(known.weight, known.weight_grad[None], known.bias)
    row = int(head.row[0])
    gradient = known.weight_grad.numpy()
    for scale, label in zip(SCALES, pseudo_labels(head, SCALES[None])[0], strict=True):
        logits = known.weight.numpy() @ (scale * gradient[row]) + known.bias.numpy()
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        column = np.abs(gradient[row]).argmax()
        expected = probabilities - gradient[:, column] / (scale * gradient[row, column])
        assert np.allclose(label, expected, atol=1e-11)


@given(
    seed=st.integers(0, 2**16),
    classes=st.integers(3, 40),
    scale=st.one_of(st.floats(1, 1e6), st.floats(-1e6, -1)),
    bias=st.booleans(),
)
def test_pseudo_labels_sum_to_one_for_every_lambda(seed, classes, scale, bias):
    rng = np.random.default_rng(seed)
    weight, feature = rng.normal(size=(classes, 12)), rng.normal(size=12)
    shift = rng.normal(size=classes) if bias else np.zeros(classes)
    logits = weight @ feature + shift
    probabilities = np.exp(logits - logits.max())
    residual = probabilities / probabilities.sum() - rng.dirichlet(np.ones(classes))
    head = factor_heads(weight, np.outer(residual, feature)[None], shift)
    labels = pseudo_labels(head, np.array([[scale]]))
    assert labels.sum() == pytest.approx(1.0, abs=1e-9)


def test_loss_vanishes_at_the_truth_and_scale_free_loss_tends_to_one(known_head):
    known = known_head(dtype=torch.float64)
    row = int(np.abs(known.residual).argmax())
    scales = torch.tensor([known.scale(row), 1.2 * known.scale(row), 1e7], dtype=torch.float64)
    paper = variance_loss(scales, known.weight, known.weight_grad)
    free = variance_loss(scales, known.weight, known.weight_grad, scale_free=True)
    assert paper.dtype == torch.float64
    assert paper.shape == (3,)
    assert paper[0] < 1e-28
    assert paper[2] < 1e-12  # the false minimum at infinity
    assert free[0] < 1e-24
    assert 0.5 < free[2] <= 1.0 + 1e-9


def test_paper_loss_is_the_variance_of_all_but_the_top_entries(known_head):
    known = known_head()
    head = factor_heads(known.weight, known.weight_grad[None])
    labels = pseudo_labels(head, SCALES[None])[0]
    for name, top in (("smoothing", 1), ("mixup", 2)):
        expected = [np.sort(label)[: len(label) - top].var() for label in labels]
        got = variance_loss(SCALES, known.weight, known.weight_grad, label_format=name)
        assert np.allclose(got.numpy(), expected, rtol=1e-6)
        assert np.allclose(variance_losses(head, SCALES[None], LABEL_FORMATS[name])[0], expected, rtol=1e-6)


def test_grid_covers_both_signs_and_starts_at_one():
    assert np.all(np.diff(LAMBDA_GRID) > 0)
    assert np.allclose(LAMBDA_GRID, -LAMBDA_GRID[::-1])
    assert np.abs(LAMBDA_GRID).min() == 1.0
    assert LAMBDA_GRID.max() > 1e6


def test_bad_options_are_named(known_head):
    known = known_head()
    with pytest.raises(OptionError, match="scales: expected lambdas other than 0"):
        variance_loss([0.0, 1.0], known.weight, known.weight_grad)
    with pytest.raises(OptionError, match="'any' assumes no structure"):
        variance_loss([1.0], known.weight, known.weight_grad, label_format="any")
    with pytest.raises(OptionError, match="label_format: expected one of hard, smoothing"):
        variance_loss([1.0], known.weight, known.weight_grad, label_format="soft")
