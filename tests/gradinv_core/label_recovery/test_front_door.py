"""`recover_label` and `recover_labels`: the contract, the statuses, and every input they refuse."""

import numpy as np
import pytest
import torch

from gradinv_core import recover_label, recover_labels
from gradinv_core.errors import ClassCountError, NonFiniteError, OptionError, RankError, ShapeError
from gradinv_core.head.structures import SharedBase, SharedClasses
from gradinv_core.label_recovery import Status

KINDS = ("hard", "smoothing", "mixup", "mixup+smoothing")


@pytest.mark.parametrize("kind", KINDS)
def test_result_carries_everything_the_contract_names(known_head, kind):
    known = known_head(kind, seed=7)
    answer = recover_label(known.weight, known.weight_grad)
    assert answer.label.dtype == answer.feature.dtype == torch.float64
    assert answer.label.shape == (10,)
    assert answer.feature.shape == (128,)
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-6)
    assert np.allclose(answer.feature.numpy(), known.feature, rtol=1e-5, atol=1e-6)
    assert answer.label_format == kind
    assert answer.status is Status.UNIQUE
    assert answer.status == "unique"
    ((low, high),) = answer.intervals
    assert low <= known.scale(answer.row) <= high
    assert answer.candidates[0].scale == answer.scale
    assert answer.loss < 1e-9
    assert answer.evaluations > 0
    assert answer.seconds > 0
    assert answer.message.endswith(".")


@pytest.mark.parametrize("as_type", [torch.tensor, np.array, lambda a: a.tolist(), lambda a: torch.tensor(a).float()])
def test_tensors_arrays_and_lists_are_all_welcome(known_head, as_type):
    known = known_head(dtype=torch.float64)
    answer = recover_label(as_type(known.weight.numpy()), as_type(known.weight_grad.numpy()))
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-5)


def test_many_samples_equal_one_by_one(known_head):
    heads = [known_head(kind, seed=seed) for seed, kind in enumerate(KINDS * 3)]
    weight = heads[0].weight
    rng = np.random.default_rng(0)
    grads = []
    for known in heads:
        feature = np.maximum(rng.normal(size=128), 0)
        logits = weight.double().numpy() @ feature
        grads.append(np.outer(np.exp(logits) / np.exp(logits).sum() - known.label, feature))
    grads.append(np.zeros_like(grads[0]))
    together = recover_labels(weight, np.stack(grads))
    for grad, answer in zip(grads, together, strict=True):
        alone = recover_label(weight, grad)
        assert answer.status == alone.status
        assert torch.allclose(answer.label, alone.label, atol=1e-9)
    assert together[-1].status == "vanished"


def test_many_samples_with_bias_gradients(known_head):
    known = known_head("dirichlet", head_bias=True)
    answers = recover_labels(known.weight, known.weight_grad[None], known.bias, known.bias_grad[None])
    assert np.allclose(answers[0].label.numpy(), known.label, atol=1e-5)


def test_vanished_gradient_is_said(known_head):
    known = known_head()
    answer = recover_label(known.weight, torch.zeros_like(known.weight_grad))
    assert answer.status == "vanished"
    assert "exactly zero" in answer.message
    assert answer.intervals == [(-np.inf, np.inf)]


def test_a_zero_feature_still_leaks_its_label_through_the_bias(known_head):
    known = known_head(head_bias=True)
    bias = known.bias.double().numpy()
    residual = np.exp(bias) / np.exp(bias).sum() - known.label
    answer = recover_label(known.weight, torch.zeros_like(known.weight_grad), known.bias, residual)
    assert (answer.status, answer.window) == ("unique", "bias")
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-6)
    assert not answer.feature.any()


def test_structureless_label_is_an_interval_not_an_answer(known_head):
    for seed in range(5):
        known = known_head("dirichlet", seed=seed)
        answer = recover_label(known.weight, known.weight_grad)
        assert answer.status == "ambiguous"
        assert answer.window == "simplex"
        assert answer.label_format == "any"
        assert "No lambda makes the classes agree" in answer.message
        assert any(low <= known.scale(answer.row) <= high for low, high in answer.intervals)


def test_one_hot_prediction_is_an_interval(known_head):
    for seed in range(200):
        known = known_head("smoothing", seed=seed, logit_scale=80)
        if known.probabilities.max() > 1 - 1e-12:
            break
    answer = recover_label(known.weight, known.weight_grad)
    assert answer.status == "ambiguous"
    assert "one-hot" in answer.message
    assert any(low <= known.scale(answer.row) <= high for low, high in answer.intervals)


def test_non_negative_feature_fixes_the_sign(known_head):
    known = known_head("dirichlet", seed=1)
    both = recover_label(known.weight, known.weight_grad)
    one = recover_label(known.weight, known.weight_grad, nonnegative_feature=True)
    sign = np.sign(known.scale(one.row))
    assert all(np.sign(low) == sign for low, _ in one.intervals)
    assert len(one.intervals) <= len(both.intervals)


def test_structure_the_user_knows_closes_the_interval(known_head):
    known = known_head("dirichlet", seed=2, dtype=torch.float64)
    label = known.label.copy()
    label[[1, 4, 6, 8]] = label[[1, 4, 6, 8]].mean()
    gradient = np.outer(known.probabilities - label, known.feature)
    assert recover_label(known.weight, gradient).status == "ambiguous"
    answer = recover_label(known.weight, gradient, label_format=SharedClasses((1, 4, 6, 8)))
    assert answer.status == "unique"
    assert np.allclose(answer.label.numpy(), label, atol=1e-6)


def test_a_known_teacher_closes_the_interval(known_head):
    known = known_head(seed=2, dtype=torch.float64)
    logits = np.random.default_rng(0).normal(size=10)
    label = np.exp(logits / 2) / np.exp(logits / 2).sum()
    gradient = np.outer(known.probabilities - label, known.feature)
    answer = recover_label(known.weight, gradient, label_format=SharedClasses.from_teacher(logits, temperature=2.0))
    assert answer.status == "unique"
    assert np.allclose(answer.label.numpy(), label, atol=1e-6)


def test_coarse_arithmetic_of_the_client_is_noticed_not_trusted(known_head):
    """A forward pass in bfloat16 leaves no rank-one residual; the misfit itself shows it."""
    known = known_head("smoothing", classes=100, seed=3, dtype=torch.float64)
    probabilities = torch.tensor(known.probabilities).bfloat16().double().numpy()
    answer = recover_label(known.weight, np.outer(probabilities - known.label, known.feature))
    assert answer.window == "label structure"
    assert np.abs(answer.label.numpy() - known.label).max() < 1e-3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"solver": "magic"},
            OptionError,
            "solver: expected one of auto, closed_form, scan, swarm, lbfgs, got 'magic'",
        ),
        ({"label_format": "soft"}, OptionError, "label_format: expected one of hard"),
        ({"gradient_scale": "big"}, OptionError, "gradient_scale: expected one of known, unknown"),
        ({"confidence": 1.0}, OptionError, "confidence: expected a number between 0 and 1"),
        ({"confidence": "high"}, OptionError, "confidence: expected a number between 0 and 1"),
        ({"noise_std": True}, OptionError, "noise_std: expected a number >= 0"),
        ({"seed": -1}, OptionError, "seed: expected a whole number >= 0"),
        ({"label_format": None}, OptionError, "label_format: expected a name or a label structure, got None"),
        ({"label_format": "any", "gradient_scale": "unknown"}, OptionError, "leaves every lambda possible"),
        ({"label_format": "any", "solver": "closed_form"}, OptionError, "'closed_form' needs a bias-free head"),
        ({"solver": "swarm", "label_format": "any"}, OptionError, "'swarm' is the paper's search"),
        ({"label_format": SharedClasses((0, 1))}, ClassCountError, "at least 3 different class indices below 10"),
    ],
)
def test_bad_options_are_one_clear_error(known_head, change, error, message):
    known = known_head()
    with pytest.raises(error, match=message):
        recover_label(known.weight, known.weight_grad, **change)


def test_too_few_classes_are_named(known_head):
    for classes, label_format in ((4, "unknown"), (4, "mixup+smoothing"), (3, "mixup"), (3, "smoothing"), (2, "hard")):
        known = known_head("dirichlet", classes=classes)
        with pytest.raises(ClassCountError, match=f"expected at least {classes + 1} classes, got {classes}"):
            recover_label(known.weight, known.weight_grad, label_format=label_format)


def test_the_smallest_class_counts_work(known_head):
    for classes, kind in ((3, "hard"), (4, "smoothing"), (4, "mixup"), (5, "mixup+smoothing")):
        known = known_head(kind, classes=classes, seed=1)
        answer = recover_label(known.weight, known.weight_grad, label_format=kind)
        assert any(low <= known.scale(answer.row) <= high for low, high in answer.intervals)


def test_bad_gradients_are_one_clear_error(known_head):
    known = known_head(head_bias=True)
    weight, grad = known.weight, known.weight_grad
    with pytest.raises(
        ShapeError, match=r"weight_grad: expected 2 axes .* pass one sample, or several to recover_labels"
    ):
        recover_label(weight, grad[None])
    with pytest.raises(ShapeError, match=r"weight_grads: expected 3 axes .* for one sample call recover_label"):
        recover_labels(weight, grad)
    with pytest.raises(NonFiniteError, match="weight_grad: expected finite numbers, got NaN or infinity"):
        recover_label(weight, grad * torch.nan)
    with pytest.raises(RankError, match="rank one"):
        recover_label(weight, grad + known_head(seed=9).weight_grad)
    with pytest.raises(ShapeError, match="bias_grad: expected one entry per class"):
        recover_label(weight, grad, known.bias, known.bias_grad[:4])
    with pytest.raises(ShapeError, match="bias: expected the head's bias along with bias_grad"):
        recover_label(weight, grad, None, known.bias_grad)


def test_rescaled_gradients_with_a_bias_are_not_believed(known_head):
    known = known_head(head_bias=True)
    weight, grad, bias, residual = known.weight, known.weight_grad, known.bias, known.bias_grad
    for weight_factor, bias_factor in ((1, -1), (1, 0.01), (0, 3)):
        answer = recover_label(weight, weight_factor * grad, bias, bias_factor * residual)
        assert (answer.status, answer.doubt) == ("ambiguous", "no known format")
    answer = recover_label(weight, 100 * grad, bias, 100 * residual)
    assert (answer.status, answer.doubt, round(answer.factor, 3)) == ("ambiguous", "rescaled", 100)
    assert "it is 100 times an honest one" in answer.message
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-5)
    answer = recover_label(weight, 100 * grad, bias, 100 * residual, gradient_scale="unknown")
    assert np.allclose(answer.label.numpy(), known.label, atol=1e-5)


def test_rounding_of_the_bias_gradient_counts(known_head):
    known = known_head(head_bias=True)
    answer = recover_label(known.weight, known.weight_grad, known.bias, known.bias_grad.half())
    assert any(low <= known.scale(answer.row) <= high for low, high in answer.intervals)


def test_a_gradient_of_opposite_sign_is_not_an_unknown_scale(known_head):
    known = known_head()
    answer = recover_label(known.weight, -known.weight_grad, gradient_scale="unknown")
    assert answer.status == "ambiguous"


def test_three_free_entries_are_scanned(known_head):
    known = known_head(classes=12, dtype=torch.float64)
    label = np.full(12, 0.02)
    label[[1, 5, 8]] = 0.4, 0.3, 0.12
    gradient = np.outer(known.probabilities - label, known.feature)
    answer = recover_label(known.weight, gradient, label_format=SharedBase("top three", 3, value_is_zero=False))
    assert answer.solver == "scan"
    assert np.allclose(answer.label.numpy(), label, atol=1e-6)


def test_samples_are_named_in_a_batch(known_head):
    good, other = known_head(seed=1), known_head(seed=2)
    with pytest.raises(RankError, match=r"got one .sample 1. with"):
        recover_labels(good.weight, torch.stack([good.weight_grad, good.weight_grad + other.weight_grad]))
    with pytest.raises(ShapeError, match="none empty"):
        recover_labels(good.weight, torch.zeros(0, 10, 128))
    with pytest.raises(ShapeError, match="bias_grads: expected one row per sample"):
        recover_labels(good.weight, good.weight_grad[None], torch.zeros(10), torch.zeros(2, 10))
