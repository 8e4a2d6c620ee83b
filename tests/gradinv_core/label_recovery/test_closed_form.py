"""The closed form: the monotone root against bisection, the proof by triples, and gradients of unknown scale."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from gradinv_core.head import factor_heads
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery import closed_form

UNKNOWN = LABEL_FORMATS["unknown"]


def ratio_equation(scale, u, c):
    """log of the left side minus log of the right side of item 6, written out plainly."""
    above, below = u[2] - u[1], u[1] - u[0]
    left = np.log(np.expm1(scale * above) / -np.expm1(-scale * below)) if scale else np.log(above / below)
    return left - np.log((c[2] - c[1]) / (c[1] - c[0]))


@given(
    st.floats(0.01, 20), st.floats(0.01, 20), st.floats(-8, 8).filter(lambda scale: abs(scale) > 1e-3), st.floats(-1, 1)
)
def test_root_is_found_and_unique(above, below, scale, shift):
    """Residual ratios built from a lambda give that lambda back, and the equation rises strictly through it."""
    u = np.array([shift - below, shift, shift + above])
    c = np.exp(scale * (u - shift))
    others = np.array([5.0, -7.0, 0.5])
    head = factor_heads(np.eye(6), np.ones((1, 6, 6)))
    object.__setattr__(head, "products", np.concatenate([u, others])[None])
    object.__setattr__(head, "ratios", np.concatenate([c, others])[None])
    roots, _ = closed_form.triple_roots(head, np.array([[[0, 1, 2]]]))
    assert roots[0, 0] == pytest.approx(scale, rel=1e-6)
    values = [ratio_equation(s, u, c) for s in (scale - 0.5, scale - 0.1, scale + 0.1, scale + 0.5)]
    assert np.all(np.diff(values) > 0)


def test_root_equals_bisection(known_head):
    known = known_head(dtype=torch.float64, classes=10)
    head = factor_heads(known.weight, known.weight_grad[None])
    chosen = np.array(list(combinations(range(10), 3)))[None]
    roots, _ = closed_form.triple_roots(head, chosen)
    for triple, root in zip(chosen[0], roots[0], strict=True):
        order = triple[np.argsort(head.products[0, triple])]
        u, c = head.products[0, order], head.ratios[0, order]
        exists = (c[2] - c[1]) * (c[1] - c[0]) > 0
        assert np.isfinite(root) == exists
        if exists:
            span = 600 / (u[2] - u[0])
            assert root == pytest.approx(brentq(ratio_equation, -span, span, args=(u, c), xtol=1e-14), rel=1e-6)


@pytest.mark.parametrize("classes", [5, 6, 7, 8, 9, 12, 100])
def test_no_two_classes_spoil_every_triple(classes):
    ratios = np.random.default_rng(classes).normal(size=(4, classes))
    for chosen in closed_form.triples(ratios):
        assert all(len(set(triple)) == 3 for triple in chosen)
        for pair in combinations(range(min(classes, 12)), 2):
            assert any(not set(pair) & set(triple) for triple in chosen)


@pytest.mark.parametrize("known_scale", [True, False])
@pytest.mark.parametrize("classes", [6, 10, 100, 1000])
def test_every_format_is_found_and_proven(known_head, classes, known_scale):
    for seed, kind in enumerate(("hard", "smoothing", "mixup", "mixup+smoothing")):
        known = known_head(kind, classes, 256, seed=seed)
        head = factor_heads(known.weight, known.weight_grad[None])
        (search,) = closed_form.solve(head, UNKNOWN, known_scale, 1.96)
        truth = known.scale(int(head.row[0]))
        assert len(search.modes) == 1
        assert search.complete
        assert search.modes[0].scale == pytest.approx(truth, rel=2e-5)
        assert search.modes[0].low <= truth <= search.modes[0].high


def test_a_rescaled_gradient_still_tells_amplitude(known_head):
    known = known_head(seed=2, factor=1e-3)
    head = factor_heads(known.weight, known.weight_grad[None])
    (search,) = closed_form.solve(head, UNKNOWN, False, 1.96)
    row = int(head.row[0])
    assert search.modes[0].scale * 1e-3 == pytest.approx(known.scale(row), rel=2e-5)
    assert search.modes[0].amplitude == pytest.approx(known.residual[row], rel=2e-5)


def test_a_structureless_label_has_no_mode(known_head):
    known = known_head("dirichlet", seed=5)
    (search,) = closed_form.solve(factor_heads(known.weight, known.weight_grad[None]), UNKNOWN, True, 1.96)
    assert search.modes == ()


def test_applicable_says_when(known_head):
    known = known_head(head_bias=True, classes=4)
    biased = factor_heads(known.weight, known.weight_grad[None], known.bias)
    free = factor_heads(known.weight, known.weight_grad[None])
    assert not closed_form.applicable(biased, LABEL_FORMATS["smoothing"])
    assert closed_form.applicable(free, LABEL_FORMATS["smoothing"])
    assert not closed_form.applicable(free, LABEL_FORMATS["mixup"])
    assert not closed_form.applicable(free, None)
