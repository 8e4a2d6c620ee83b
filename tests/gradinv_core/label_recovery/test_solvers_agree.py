"""Independent routes to the same lambda: closed form, scan, bias gradient, and the paper's searches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradinv_core import recover_label
from gradinv_core.errors import RankError, ShapeError
from gradinv_core.head import factor_heads
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import paper_search
from gradinv_core.label_recovery.baselines import bias_feature, idlg_label


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["hard", "smoothing", "mixup", "mixup+smoothing"]))
def test_closed_form_equals_scan_equals_bias_route(seed, kind):
    rng = np.random.default_rng(seed)
    weight, feature = rng.normal(size=(10, 64)) / 8, np.maximum(rng.normal(size=64), 0)
    logits = weight @ feature
    probabilities = np.exp(logits) / np.exp(logits).sum()
    label = np.full(10, 0.03 if "smoothing" in kind else 0.0)
    label[seed % 10] += (1 - label.sum()) * (0.7 if "mixup" in kind else 1.0)
    label[(seed + 4) % 10] += 1 - label.sum()
    residual = probabilities - label
    gradient = np.outer(residual, feature)
    answers = [
        recover_label(weight, gradient, solver="closed_form"),
        recover_label(weight, gradient, solver="scan"),
        recover_label(weight, gradient, np.zeros(10), residual),
    ]
    assert [answer.solver for answer in answers] == ["closed_form", "scan", "bias"]
    for answer in answers:
        assert answer.status == "unique"
        assert np.allclose(answer.label.numpy(), label, atol=1e-6)
        assert np.allclose(answer.feature.numpy(), feature, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), exponent=st.floats(-6, 6))
def test_unknown_gradient_scale_changes_nothing(seed, exponent):
    rng = np.random.default_rng(seed)
    weight, feature = rng.normal(size=(12, 64)) / 8, np.maximum(rng.normal(size=64), 0)
    logits = weight @ feature
    label = np.full(12, 0.01)
    label[[1, 7]] = 0.55, 0.35
    gradient = np.outer(np.exp(logits) / np.exp(logits).sum() - label, feature)
    plain = recover_label(weight, gradient, gradient_scale="unknown")
    scaled = recover_label(weight, 10**exponent * gradient, gradient_scale="unknown")
    for answer in (plain, scaled):
        assert answer.status == "unique"
        assert np.allclose(answer.label.numpy(), label, atol=1e-6)
        assert np.allclose(answer.feature.numpy(), feature, atol=1e-5)
    assert scaled.scale * 10**exponent == pytest.approx(plain.scale, rel=1e-6)


def test_biased_head_without_its_bias_gradient_is_scanned(known_head):
    known = known_head(head_bias=True, seed=1)
    answer = recover_label(known.weight, known.weight_grad, known.bias)
    assert answer.solver == "scan"
    assert answer.status == "unique"
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-5)


def test_bias_gradient_gives_any_label_exactly(known_head):
    for seed in range(5):
        known = known_head("dirichlet", head_bias=True, seed=seed, signed=True)
        answer = recover_label(known.weight, known.weight_grad, known.bias, known.bias_grad, label_format="any")
        assert (answer.status, answer.window, answer.label_format) == ("unique", "bias", "any")
        assert answer.condition.endswith("not rescaled, and the loss plain cross-entropy")
        assert np.allclose(answer.label.numpy(), known.label, atol=2e-6)
        assert np.allclose(answer.feature.numpy(), known.feature, rtol=1e-5, atol=1e-6)


def test_bias_gradient_with_an_unknown_scale(known_head):
    known = known_head("mixup", head_bias=True, seed=3, factor=0.01)
    answer = recover_label(known.weight, known.weight_grad, known.bias, known.bias_grad, gradient_scale="unknown")
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-5)
    assert np.allclose(answer.feature.numpy(), known.feature, rtol=1e-5, atol=1e-6)


def test_a_bias_gradient_of_another_sample_is_refused(known_head):
    known, other = known_head(head_bias=True, seed=1), known_head(head_bias=True, seed=2)
    with pytest.raises(RankError, match="bias_grad: expected the gradient of the same sample as weight_grad"):
        recover_label(known.weight, known.weight_grad, known.bias, other.bias_grad)


def test_papers_searches_find_an_easy_lambda_without_claiming_proof(known_head):
    known = known_head("mixup", seed=0)
    truth = known.scale(int(np.abs(known.residual).argmax()))
    for solver in ("swarm", "lbfgs"):
        answer = recover_label(known.weight, known.weight_grad, solver=solver, label_format="mixup", seed=1)
        assert answer.scale == pytest.approx(truth, rel=1e-2)
        assert answer.status == "ambiguous"
        assert "cannot tell whether another lambda fits" in answer.message or "ran out of steps" in answer.message


def test_papers_swarm_is_deterministic_by_seed_and_reports_its_bound(known_head):
    known = known_head("mixup", seed=0)
    head = factor_heads(known.weight, known.weight_grad[None])
    loss = paper_search.objective(head, LABEL_FORMATS["mixup"])
    first, second, other = (paper_search.swarm(loss, seed, particles=40) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first.path, second.path, strict=True))
    assert not np.array_equal(first.path[0], other.path[0])
    lost = paper_search.swarm(lambda scales: np.ones_like(scales), 0, particles=10)
    assert not lost.converged
    assert lost.evaluations == 10 * 40 * 2 * len(paper_search.SWARM_SEGMENTS)


def test_out_of_bound_is_said(known_head):
    known = known_head("dirichlet", seed=1)
    answer = recover_label(known.weight, known.weight_grad, solver="lbfgs")
    assert answer.status == "ambiguous"
    assert answer.intervals == [(-np.inf, np.inf)]


def test_baselines(known_head):
    hard = known_head("hard", seed=2, head_bias=True)
    assert idlg_label(hard.weight_grad) == int(hard.label.argmax())
    feature = bias_feature(hard.weight_grad, hard.bias_grad)
    assert torch.allclose(feature, torch.tensor(hard.feature), rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="bias_grad: expected 10 entries, not all zero"):
        bias_feature(hard.weight_grad, torch.zeros(10))
