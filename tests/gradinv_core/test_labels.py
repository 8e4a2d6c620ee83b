"""Soft labels: values, the simplex, and one clear sentence for every mistake."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradinv_core.errors import ClassCountError, LabelError, NonFiniteError, ShapeError
from gradinv_core.labels import check_soft_label, custom_label, hard_label, mixup_label, smooth_label

shares = st.floats(0.0, 1.0)
class_counts = st.integers(2, 300)


def test_hard_label_is_one_hot() -> None:
    label = hard_label(2, classes=4)
    assert label.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert label.dtype == torch.float64


def test_smoothing_moves_weight_evenly_onto_all_classes() -> None:
    torch.testing.assert_close(smooth_label(1, 4, 0.2), torch.tensor([0.05, 0.85, 0.05, 0.05], dtype=torch.float64))


def test_smoothing_ends_at_the_hard_and_the_uniform_label() -> None:
    assert torch.equal(smooth_label(3, 5, 0.0), hard_label(3, 5))
    assert smooth_label(3, 5, 1.0).tolist() == [0.2] * 5


def test_mixup_weighs_the_first_class_by_the_ratio() -> None:
    torch.testing.assert_close(mixup_label(0, 2, 3, 0.7), torch.tensor([0.7, 0.0, 0.3], dtype=torch.float64))


def test_mixup_of_a_class_with_itself_is_hard() -> None:
    torch.testing.assert_close(mixup_label(1, 1, 3, 0.3), hard_label(1, 3))


def test_mixup_with_smoothing_equals_smoothing_the_mixture() -> None:
    torch.testing.assert_close(mixup_label(0, 3, 10, 0.6, 0.1), 0.9 * mixup_label(0, 3, 10, 0.6) + 0.01)


def test_class_indices_may_be_numpy_or_torch_integers() -> None:
    assert torch.equal(hard_label(np.int64(1), np.int32(3)), hard_label(torch.tensor(1), 3))


@given(data=st.data(), classes=class_counts, ratio=shares, epsilon=shares)
def test_every_mixture_lies_on_the_simplex(data: st.DataObject, classes: int, ratio: float, epsilon: float) -> None:
    first, second = (data.draw(st.integers(0, classes - 1)) for _ in range(2))
    label = mixup_label(first, second, classes, ratio, epsilon)
    assert torch.equal(check_soft_label(label, classes), label)


@given(data=st.data(), classes=class_counts, ratio=shares, epsilon=shares)
def test_mixup_is_symmetric(data: st.DataObject, classes: int, ratio: float, epsilon: float) -> None:
    first, second = (data.draw(st.integers(0, classes - 1)) for _ in range(2))
    swapped = mixup_label(second, first, classes, 1.0 - ratio, epsilon)
    torch.testing.assert_close(mixup_label(first, second, classes, ratio, epsilon), swapped, rtol=0, atol=1e-15)


def test_custom_label_keeps_the_values_and_owns_its_memory() -> None:
    values = np.array([0.2, 0.3, 0.5])
    label = custom_label(values)
    values[:] = 0
    assert label.tolist() == [0.2, 0.3, 0.5]


def test_a_float32_softmax_is_close_enough_to_the_simplex() -> None:
    logits = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 5
    assert len(custom_label(torch.softmax(logits, 0))) == 1000


@pytest.mark.parametrize("classes", [1, 0, -3])
def test_too_few_classes(classes: int) -> None:
    with pytest.raises(
        ClassCountError, match=rf"classes: expected at least 2, got {classes}; one class leaves nothing"
    ):
        hard_label(0, classes)


@pytest.mark.parametrize("target", [-1, 10, 10**20])
def test_target_outside_the_classes(target: int) -> None:
    with pytest.raises(
        LabelError, match=rf"target: expected a class between 0 and 9, got {target}; pick one of the 10"
    ):
        hard_label(target, 10)


@pytest.mark.parametrize("target", [1.5, "3", None, True, torch.tensor([1.0, 2.0])])
def test_target_that_is_no_whole_number(target: object) -> None:
    with pytest.raises(LabelError, match=r"target: expected a whole number, got .*; pass an integer\."):
        hard_label(target, 10)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.1, 1.0001, float("inf"), float("-inf")])
def test_shares_outside_zero_to_one(value: float) -> None:
    with pytest.raises(
        LabelError, match=r"epsilon: expected a number between 0 and 1, got .*; move it into that range"
    ):
        smooth_label(0, 10, value)
    with pytest.raises(LabelError, match=r"ratio: expected a number between 0 and 1, got .*; move it into that range"):
        mixup_label(0, 1, 10, value)


def test_shares_that_are_no_numbers() -> None:
    with pytest.raises(NonFiniteError, match="epsilon: expected a number between 0 and 1, got NaN"):
        smooth_label(0, 10, float("nan"))
    with pytest.raises(LabelError, match="ratio: expected a number between 0 and 1, got 'half'"):
        mixup_label(0, 1, 10, "half")  # type: ignore[arg-type]


def test_label_with_a_negative_entry() -> None:
    with pytest.raises(LabelError, match=r"label: expected entries of at least 0, got -0.1 for class 2"):
        custom_label([0.5, 0.6, -0.1])


def test_label_that_does_not_sum_to_one() -> None:
    with pytest.raises(LabelError, match=r"label: expected entries that sum to 1, got 0.99; divide them by their sum"):
        custom_label([0.33, 0.33, 0.33])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_label_that_is_not_finite(bad: float) -> None:
    with pytest.raises(NonFiniteError, match="label: expected finite numbers, got NaN or infinity"):
        custom_label([bad, 0.5, 0.5])


@pytest.mark.parametrize("shape", [(), (1, 3), (2, 2, 2)])
def test_label_with_the_wrong_number_of_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"label: expected 1 axes \(classes\), got shape"):
        custom_label(np.zeros(shape))


def test_label_without_entries() -> None:
    with pytest.raises(ShapeError, match="label: expected at least one entry along each axis"):
        custom_label([])


def test_label_of_the_wrong_length() -> None:
    with pytest.raises(ShapeError, match="label: expected 10 entries, one per class, got 3"):
        check_soft_label([0.2, 0.3, 0.5], classes=10)


def test_label_of_one_class() -> None:
    with pytest.raises(ClassCountError, match="classes: expected at least 2, got 1"):
        custom_label([1.0])
