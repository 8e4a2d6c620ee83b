"""The announced loss against PyTorch's own, and its gradient against autograd."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.losses import CROSS_ENTROPY, training_loss

LOGITS = torch.tensor([[0.3, -1.2, 2.0, 0.4], [1.0, 0.0, -0.5, 0.2]], dtype=torch.float64)
LABELS = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.7, 0.1, 0.1, 0.1]], dtype=torch.float64)
WEIGHTS = torch.tensor([1.0, 0.5, 3.0, 2.0], dtype=torch.float64)


def test_it_is_the_cross_entropy_of_pytorch():
    assert CROSS_ENTROPY.is_plain
    assert torch.allclose(CROSS_ENTROPY(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS))
    weighted = training_loss(class_weights=WEIGHTS)
    assert torch.allclose(weighted(LOGITS, LABELS), F.cross_entropy(LOGITS, LABELS, weight=WEIGHTS))
    tempered = training_loss(temperature=4)
    assert torch.allclose(tempered(LOGITS, LABELS), 16 * F.cross_entropy(LOGITS / 4, LABELS))


def test_its_gradient_is_the_one_that_is_documented():
    loss, logits = training_loss(2.5, WEIGHTS), LOGITS[:1].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(logits, LABELS[:1]), logits)
    total = (WEIGHTS * LABELS[0]).sum()
    expected = 2.5 * (total * torch.softmax(LOGITS[0] / 2.5, 0) - WEIGHTS * LABELS[0])
    assert torch.allclose(gradient[0], expected)
    assert torch.allclose(torch.from_numpy(loss.residual(LOGITS[0].numpy(), LABELS[0].numpy())), expected)
    assert gradient.sum().abs() < 1e-12
    assert gradient.abs().max() <= loss.unit == 7.5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"temperature": 0}, OptionError, "temperature: expected a number above 0, got 0; 1 means none"),
        ({"temperature": "warm"}, OptionError, "temperature: expected a number above 0, got 'warm'"),
        ({"class_weights": [1.0, 0.0]}, OptionError, "class_weights: expected numbers above 0, got 0 for class 1"),
        ({"class_weights": [1.0, float("nan")]}, NonFiniteError, "class_weights: expected finite numbers"),
        ({"class_weights": [[1.0]]}, ShapeError, "class_weights: expected 1 axes"),
    ],
)
def test_what_is_no_loss_is_one_clear_error(options, error, message):
    with pytest.raises(error, match=message):
        training_loss(**options)


def test_weights_that_are_not_one_per_class_are_refused():
    with pytest.raises(ShapeError, match=r"class_weights: expected one per class \(4\), got 2"):
        training_loss(class_weights=[1.0, 2.0])(LOGITS, LABELS)
