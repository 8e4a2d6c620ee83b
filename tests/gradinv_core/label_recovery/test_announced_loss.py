"""Temperature, class weights, a single logit, few classes: told the truth, the server is as sure and right as ever."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from gradinv_core import recover_label, recover_labels
from gradinv_core.errors import ClassCountError, ShapeError
from gradinv_core.losses import training_loss

MIXED = torch.tensor([0.02] * 3 + [0.6] + [0.02] * 3 + [0.24] + [0.02] * 2, dtype=torch.float64)
WEIGHTS = [1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 1.0, 0.2, 1.0, 1.0]


class Sent:
    """A head's parameters and gradients under any loss of (1, C) logits."""

    def __init__(self, loss, classes=10, head_bias=True, seed=0, factor=1.0):
        rng = np.random.default_rng(seed)
        self.feature = torch.tensor(np.maximum(rng.normal(size=96), 0)).float()
        self.weight = torch.tensor(rng.normal(size=(classes, 96)) * 1.4 / 96**0.5).float().requires_grad_()
        self.bias = torch.tensor(0.3 * rng.normal(size=classes)).float().requires_grad_() if head_bias else None
        leaves = [self.weight] + ([self.bias] if head_bias else [])
        logits = self.weight @ self.feature + (self.bias if head_bias else 0)
        grads = [factor * part for part in torch.autograd.grad(loss(logits[None]), leaves)]
        self.all = (self.weight, grads[0], self.bias, grads[1] if head_bias else None)

    def recovered(self, **options):
        return recover_label(*self.all, **options)


def off(answer, label):
    return float((answer.label - label.double()).abs().max())


@pytest.mark.parametrize("head_bias", [True, False])
@pytest.mark.parametrize(
    ("options", "loss"),
    [
        ({"temperature": 4.0}, lambda z: 16 * F.cross_entropy(z / 4, MIXED[None].to(z))),
        ({"class_weights": WEIGHTS}, lambda z: F.cross_entropy(z, MIXED[None].to(z), weight=torch.tensor(WEIGHTS))),
        ({"temperature": 2.0, "class_weights": WEIGHTS}, lambda z: training_loss(2.0, WEIGHTS)(z, MIXED[None].to(z))),
    ],
    ids=["temperature", "class weights", "both"],
)
def test_an_announced_loss_costs_the_server_nothing(options, loss, head_bias):
    for seed in range(4):
        sent = Sent(loss, head_bias=head_bias, seed=seed)
        answer = sent.recovered(**options)
        assert (answer.status, answer.label_format, answer.condition) == ("unique", "mixup+smoothing", "")
        assert off(answer, MIXED) < 1e-5
        assert torch.allclose(answer.feature, sent.feature.double(), rtol=1e-4, atol=1e-5)
        assert torch.allclose(answer.scale * sent.all[1][answer.row].double(), answer.feature, rtol=1e-5, atol=1e-6)
        low, high = answer.intervals[0]
        assert low <= answer.scale <= high
        assert sent.recovered().status != "unique" or off(sent.recovered(), MIXED) < 1e-3


@pytest.mark.parametrize("head_bias", [True, False])
def test_a_loss_divided_by_the_weight_of_its_target_has_an_unknown_scale(head_bias):
    target = torch.tensor([4])
    sent = Sent(
        lambda z: F.cross_entropy(z, target, weight=torch.tensor(WEIGHTS), label_smoothing=0.1), head_bias=head_bias
    )
    answer = sent.recovered(class_weights=WEIGHTS, gradient_scale="unknown")
    smooth = 0.9 * F.one_hot(target[0], 10) + 0.01
    assert off(answer, smooth) < 1e-3


def test_many_samples_take_the_same_options():
    sent = Sent(lambda z: training_loss(3.0, WEIGHTS)(z, MIXED[None].to(z)))
    weight, weight_grad, bias, bias_grad = sent.all
    twice = recover_labels(
        weight,
        torch.stack([weight_grad] * 2),
        bias,
        torch.stack([bias_grad] * 2),
        temperature=3.0,
        class_weights=WEIGHTS,
    )
    assert [answer.status for answer in twice] == ["unique", "unique"]
    assert off(twice[1], MIXED) < 1e-5


def test_the_temperature_of_a_distillation_is_found_and_named():
    sent = Sent(lambda z: 16 * F.cross_entropy(z / 4, MIXED[None].to(z)))
    answer = sent.recovered()
    assert (answer.status, answer.doubt) == ("ambiguous", "temperature")
    assert answer.feature_known
    assert "Pass temperature=4 to accept that." in answer.message
    assert off(answer, MIXED) < 1e-5
    bare = Sent(lambda z: F.cross_entropy(z / 4, MIXED[None].to(z))).recovered()
    assert "Pass temperature=4 to accept that and gradient_scale='unknown', because the gradient was" in bare.message


@pytest.mark.parametrize("on", [0.0, 0.3, 1.0])
def test_a_single_logit_is_a_softmax_of_two_classes(on):
    def loss(z):
        return F.binary_cross_entropy_with_logits(z, torch.full_like(z, on))

    sent = Sent(loss, classes=1)
    answer = sent.recovered()
    assert answer.status == "unique"
    assert answer.condition.endswith("not rescaled, and the loss plain cross-entropy")
    assert off(answer, torch.tensor([1 - on, on])) < 1e-5
    assert torch.allclose(answer.feature, sent.feature.double(), rtol=1e-4, atol=1e-5)
    with pytest.raises(ClassCountError, match="the gradient of a head's bias gives lambda at once"):
        Sent(loss, classes=1, head_bias=False).recovered()


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes_with_a_bias_simply_work_and_say_on_what_they_rest(classes):
    label = torch.zeros(classes)
    label[:2] = torch.tensor([0.1, 0.9])
    sent = Sent(lambda z: F.cross_entropy(z, label[None]), classes=classes)
    answer = sent.recovered()
    assert answer.status == "unique"
    assert "That holds if the gradient is that of one step on one sample, not rescaled" in answer.message
    assert off(answer, label) < 1e-5


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_named_format_binds(classes):
    soft = torch.full((classes,), 0.1 / classes)
    soft[1] += 0.9
    answer = Sent(lambda z: F.cross_entropy(z, soft[None]), classes=classes).recovered(label_format="hard")
    assert (answer.status, answer.doubt) == ("ambiguous", "no known format")
    assert "a label that is not of the format 'hard'" in answer.message
    hard = F.one_hot(torch.tensor(1), classes).float()
    assert Sent(lambda z: F.cross_entropy(z, hard[None]), classes=classes).recovered(label_format="hard").status == (
        "unique"
    )


def test_weights_of_other_classes_are_refused():
    sent = Sent(lambda z: F.cross_entropy(z, MIXED[None].to(z)))
    with pytest.raises(ShapeError, match=r"class_weights: expected one per class \(10\), got 3"):
        sent.recovered(class_weights=[1.0, 2.0, 3.0])
