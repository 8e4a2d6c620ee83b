"""The border: what counts as an array of real numbers, and what is refused with a sentence."""

import numpy as np
import pytest
import torch

from gradinv_core.arrays import as_array, is_number, keep_type, unit_roundoff
from gradinv_core.errors import NonFiniteError, ShapeError


@pytest.mark.parametrize(
    "values",
    [
        torch.arange(3),
        torch.arange(3).bfloat16(),
        torch.arange(3.0, requires_grad=True),
        torch.arange(3.0).to_sparse(),
        np.arange(3, dtype=np.float16),
        np.arange(6)[::2] / 2,
        [0, 1, 2],
    ],
)
def test_every_kind_of_real_array_is_welcome(values):
    array = as_array(values, "values", "entries")
    assert array.dtype == np.float64
    assert array.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ([[1.0], [1.0, 2.0]], ShapeError, "got list that does not form one"),
        (np.array([1j]), ShapeError, "got complex ones"),
        (torch.tensor([1j]), ShapeError, "got complex ones"),
        (["a"], ShapeError, "expected an array of real numbers"),
        ([[1.0]], ShapeError, r"values: expected 1 axes \(entries\), got shape \(1, 1\)"),
        ([], ShapeError, "at least one entry"),
        ([1.0, float("nan")], NonFiniteError, "got NaN or infinity"),
    ],
)
def test_anything_else_is_one_sentence(values, error, message):
    with pytest.raises(error, match=message):
        as_array(values, "values", "entries")


def test_large_finite_values_are_not_mistaken_for_infinity():
    assert as_array([1e300, -1e300], "values", "entries").tolist() == [1e300, -1e300]


def test_types_are_kept_so_that_rounding_is_known():
    assert unit_roundoff(keep_type(torch.ones(2).half(), "values")) == 2**-11
    assert unit_roundoff(keep_type([1.0], "values")) == 2**-53
    assert unit_roundoff(np.ones(2, dtype=np.float32)) == 2**-24
    assert unit_roundoff(torch.ones(2, dtype=torch.int64)) == 2**-53


def test_numbers_are_told_from_everything_else():
    assert all(is_number(value) for value in (1, 0.5, np.float32(2)))
    assert not any(is_number(value) for value in (True, "1", None, float("nan"), [1.0], torch.tensor(1.0)))
