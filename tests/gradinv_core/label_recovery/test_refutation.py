"""What a gradient says against having been a plain one, and the sentence for it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from gradinv_core import recover_label
from gradinv_core.errors import ShapeError
from gradinv_core.label_recovery.sentences import of_an_honest_one

WEIGHTS = torch.tensor([1.0, 2, 0.5, 1, 3, 1, 1, 0.2, 1, 1])
SMOOTH = torch.full((10,), 0.01)
SMOOTH[4] = 0.91
MIXUP = torch.zeros(10)
MIXUP[[2, 5]] = torch.tensor([0.65, 0.35])


def sent(loss, head_bias, seed=0, classes=10, features=64):
    """(weight, weight_grad, bias, bias_grad) of a random head under a loss of (1, C) logits."""
    generator = torch.Generator().manual_seed(seed)
    weight = (torch.randn(classes, features, generator=generator) * 1.4 / features**0.5).requires_grad_()
    bias = (0.3 * torch.randn(classes, generator=generator)).requires_grad_() if head_bias else None
    feature = torch.rand(features, generator=generator)
    leaves = [weight] + ([bias] if head_bias else [])
    grads = torch.autograd.grad(loss((weight @ feature + (bias if head_bias else 0))[None]), leaves)
    return weight.detach(), grads[0], bias.detach() if head_bias else None, grads[1] if head_bias else None


@pytest.mark.parametrize("head_bias", [True, False])
@pytest.mark.parametrize(
    "loss",
    [
        lambda z: F.binary_cross_entropy_with_logits(z, MIXUP[None]),
        lambda z: F.binary_cross_entropy_with_logits(z, MIXUP[None], reduction="sum"),
        lambda z: F.mse_loss(z, MIXUP[None]),
    ],
)
def test_rows_that_do_not_add_up_are_another_loss(loss, head_bias):
    answer = recover_label(*sent(loss, head_bias))
    assert (answer.status, answer.doubt, answer.feature_known) == ("ambiguous", "rows that do not add up", head_bias)
    assert "under softmax cross-entropy they add up to zero whatever the label" in answer.message
    assert ("The bias gradient gives the feature all the same." in answer.message) == head_bias
    if not head_bias:
        assert answer.intervals == [(-np.inf, np.inf)]


@pytest.mark.parametrize("head_bias", [True, False])
@pytest.mark.parametrize(("factor", "words"), [(0.25, "1/4 of an honest one"), (65536, "65,536 times an honest one")])
def test_a_factor_is_found_and_named(factor, words, head_bias):
    answer = recover_label(*sent(lambda z: factor * F.cross_entropy(z, MIXUP[None]), head_bias))
    assert (answer.status, answer.doubt) == ("ambiguous", "rescaled")
    assert answer.factor == pytest.approx(factor, rel=1e-4)
    assert f"it is {words}" in answer.message
    assert "Pass gradient_scale='unknown' to accept that." in answer.message
    assert (answer.label - MIXUP.double()).abs().max() < 1e-5


@pytest.mark.parametrize("head_bias", [True, False])
def test_what_nothing_explains_names_the_suspects(head_bias):
    answer = recover_label(*sent(lambda z: F.cross_entropy(z, SMOOTH[None], weight=WEIGHTS), head_bias))
    assert (answer.status, answer.doubt) == ("ambiguous", "no known format")
    for suspect in ("class weights", "a temperature", "several local steps", "two heads", "another loss"):
        assert suspect in answer.message
    assert answer.feature_known == head_bias


def test_no_advice_names_what_is_set_already():
    """The scale is unknown already, or the format any: the message must not ask for them again."""
    for head_bias in (True, False):
        arguments = sent(lambda z: F.cross_entropy(z, SMOOTH[None], weight=WEIGHTS), head_bias)
        assert "gradient_scale" not in recover_label(*arguments, gradient_scale="unknown").message
    arguments = sent(lambda z: 5 * F.cross_entropy(z, MIXUP[None]), head_bias=True)
    assert "label_format" not in recover_label(*arguments, label_format="any").message
    assert "which is none" in recover_label(*arguments, label_format="any").message


@pytest.mark.parametrize("head_bias", [True, False])
def test_class_weights_on_two_classes_look_like_a_factor_and_another_mixture(head_bias):
    """``a = S p - w y`` is S times the plain residual of the label ``w y / S``: no gradient tells the two apart."""
    arguments = sent(lambda z: F.cross_entropy(z, MIXUP[None], weight=WEIGHTS), head_bias)
    answer = recover_label(*arguments)
    assert (answer.status, answer.doubt) == ("ambiguous", "rescaled")
    rescaled = recover_label(*arguments, gradient_scale="unknown")
    assert rescaled.status == "unique"
    assert "That holds if the loss was cross-entropy without class weights" in rescaled.message
    told = recover_label(*arguments, class_weights=WEIGHTS)
    assert (told.status, told.condition) == ("unique", "")
    assert (told.label - MIXUP.double()).abs().max() < 1e-5


def test_an_unknown_scale_without_a_format_still_leaves_the_feature():
    weight, weight_grad, bias, bias_grad = sent(lambda z: 5 * F.cross_entropy(z, MIXUP[None]), head_bias=True)
    answer = recover_label(weight, weight_grad, bias, bias_grad, label_format="any", gradient_scale="unknown")
    assert (answer.status, answer.feature_known) == ("ambiguous", True)
    assert answer.label.min() > -1e-9
    assert answer.message.endswith("and with it the feature; the label needs the gradient's scale, or a format.")


def test_several_local_steps_are_not_taken_for_one():
    """Twenty head-only steps on nearly equal logits look like one step of another label, but not to rounding."""
    generator = torch.Generator().manual_seed(0)
    start = (torch.rand(10, 64, generator=generator) * 2 - 1) / 8
    feature, weight = torch.rand(64, generator=generator), start.clone().requires_grad_()
    for _ in range(20):
        (gradient,) = torch.autograd.grad(F.cross_entropy((weight @ feature)[None], MIXUP[None]), weight)
        weight = (weight - 0.05 * gradient).detach().requires_grad_()
    answer = recover_label(start, (start - weight.detach()) / (20 * 0.05))
    assert (answer.label - MIXUP.double()).abs().max() > 1e-2
    assert answer.status == "ambiguous"


@pytest.mark.parametrize("head_bias", [True, False])
@pytest.mark.parametrize("features", [64, 10])
def test_a_transposed_kernel_is_asked_about(features, head_bias):
    weight, weight_grad, bias, bias_grad = sent(lambda z: F.cross_entropy(z, MIXUP[None]), head_bias, features=features)
    with pytest.raises(ShapeError, match=r"features first.* pass weight.T and weight_grad.T"):
        recover_label(weight.T, weight_grad.T, bias, bias_grad)


@settings(max_examples=40, deadline=None)
@given(
    factor=st.sampled_from([0.02, 0.25, 0.5, 2.0, 30.0]),
    head_bias=st.booleans(),
    seed=st.integers(0, 10_000),
    classes=st.integers(6, 14),
)
def test_a_rescaled_gradient_is_never_sure_and_wrong(factor, head_bias, seed, classes):
    rng = np.random.default_rng(seed)
    label = torch.full((classes,), float(rng.uniform(0, 0.3)) / classes)
    label[int(rng.integers(classes))] += 1 - label.sum()
    answer = recover_label(*sent(lambda z: factor * F.cross_entropy(z, label[None]), head_bias, seed, classes))
    assert answer.status != "unique" or (answer.label - label.double()).abs().max() < 1e-2


def test_factors_read_as_people_say_them():
    assert of_an_honest_one(0.25) == "1/4 of an honest one"
    assert of_an_honest_one(0.0123) == "0.0123 of an honest one"
    assert of_an_honest_one(3.0) == "3 times an honest one"
    assert of_an_honest_one(2.5) == "2.5 times an honest one"
