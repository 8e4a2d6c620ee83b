"""Classes without a row: filled in where the rest of the label leaves one way, listed where it leaves several."""

import numpy as np
import pytest
import torch

from gradinv_core import recover_label
from gradinv_core.aware import recover_defended
from gradinv_core.aware.silent_rows import recover_with_silent_rows
from gradinv_core.defences import DropRows
from gradinv_core.errors import ClassCountError, OptionError
from gradinv_core.head import HeadView
from gradinv_core.head.structures import LABEL_FORMATS, AllBut, SharedClasses
from gradinv_core.label_recovery import Status

CLASSES = 12


def silenced(known_head, kind, rows, **options):
    head = known_head(kind, CLASSES, **options)
    gradient = head.weight_grad.clone()
    gradient[rows] = 0
    silent = np.zeros(CLASSES, dtype=bool)
    silent[rows] = True
    return head, HeadView(head.weight, gradient, None, None), silent


def recover(view, silent, label_format="unknown", **options):
    chosen = {"scale_known": True, "noise_std": None, "confidence": 0.95} | options
    structure = LABEL_FORMATS[label_format] if isinstance(label_format, str) else label_format
    return recover_with_silent_rows(view, silent, structure=structure, **chosen)


@pytest.mark.parametrize("kind", ["hard", "smoothing", "mixup", "mixup+smoothing"])
def test_what_is_missing_follows_or_is_left_open(known_head, kind):
    settled = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        rows = rng.choice(CLASSES, 3, replace=False)
        head, view, silent = silenced(known_head, kind, rows, seed=seed)
        answer = recover(view, silent)
        np.testing.assert_allclose(answer.feature, head.feature, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(answer.label[~silent], head.label[~silent], atol=1e-3)
        assert float(answer.label.sum()) == pytest.approx(1, abs=1e-3)
        peak_is_missing = head.label[rows].max() > np.median(head.label) + 1e-3
        if peak_is_missing:
            assert answer.status is Status.AMBIGUOUS
            assert answer.message.startswith("Which of the 3 classes without a row holds the rest")
            errors = [np.abs(candidate.label.numpy() - head.label).max() for candidate in answer.candidates]
            assert min(errors) < 1e-3 or (head.label[rows] > np.median(head.label) + 1e-3).sum() == 2
        elif answer.status is Status.UNIQUE:
            settled += 1
            np.testing.assert_allclose(answer.label, head.label, atol=1e-3)
            assert "settles the 3 classes without a row" in answer.message
    assert settled >= 1


def test_one_missing_peak_has_one_place_only(known_head):
    head = known_head("smoothing", CLASSES, seed=3)
    peak = int(head.label.argmax())
    head, view, silent = silenced(known_head, "smoothing", [peak], seed=3)
    answer = recover(view, silent)
    assert answer.status is Status.UNIQUE
    np.testing.assert_allclose(answer.label, head.label, atol=1e-3)
    assert answer.label_format == "smoothing"


def test_too_few_rows_are_said_to_be_too_few(known_head):
    _, view, silent = silenced(known_head, "mixup", list(range(9)))
    answer = recover(view, silent)
    assert answer.status is Status.AMBIGUOUS
    assert answer.message == "Only 3 of 12 rows were sent, too few to tell lambda from each other."
    hidden = recover(view, silent, scale_known=False)
    assert hidden.intervals == [(-np.inf, np.inf)]
    assert hidden.message == answer.message


def test_named_classes_lose_those_without_a_row(known_head):
    head, view, silent = silenced(known_head, "hard", [0, 5], seed=1)
    zeros = tuple(int(index) for index in np.flatnonzero(head.label == 0))
    answer = recover(view, silent, SharedClasses(zeros, value_is_zero=True))
    np.testing.assert_allclose(answer.label[~silent], head.label[~silent], atol=1e-3)
    assert answer.status is Status.AMBIGUOUS


def test_a_structure_of_another_kind_gets_a_sentence(step):
    one, defences = step(), [DropRows(0.3)]
    nested = AllBut(LABEL_FORMATS["unknown"], (0,))
    with pytest.raises(OptionError, match="a named format, SharedBase or SharedClasses where rows are missing"):
        recover_defended(one.model, one.sent(*defences), defences, label_format=nested)


def test_all_but_leaves_out_what_was_dropped():
    structure = AllBut(LABEL_FORMATS["unknown"], (0, 4))
    labels = np.array([[0.9, 0.1, 0.5, 0.1, 0.8, 0.1, 0.4, 0.1], [0.0, 0.6, 0.1, 0.1, 0.0, 0.1, 0.1, 0.3]])
    expected = [[0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 1, 1, 0, 1, 1, 0]]
    assert np.array_equal(structure.constrained(labels), np.array(expected, dtype=bool))
    assert np.array_equal(structure.constrained(labels[0]), np.array(expected[0], dtype=bool))
    assert (structure.name, structure.free_entries, structure.value_is_zero) == ("unknown", 2, False)
    assert structure.offset is None


def test_all_but_counts_what_remains():
    base = LABEL_FORMATS["unknown"]
    AllBut(base, (0, 1)).check(7)
    AllBut(base, (0, 0, 0)).check(6)
    with pytest.raises(ClassCountError, match="expected at least 5 classes, got 4"):
        AllBut(base, (0, 1)).check(6)
    with pytest.raises(ClassCountError, match="expected at least 6 classes, got 5"):
        AllBut(base, (0, 1)).check(7, known_scale=False)
    with pytest.raises(ClassCountError, match=r"AllBut: expected class indices below 7, got \[7\]"):
        AllBut(base, (7,)).check(7)


def test_all_but_serves_plain_label_recovery(known_head):
    head, view, silent = silenced(known_head, "mixup+smoothing", [2, 7], seed=2)
    answer = recover_label(view.weight, view.weight_grad, label_format=AllBut(LABEL_FORMATS["unknown"], (2, 7)))
    torch.testing.assert_close(answer.feature, torch.from_numpy(head.feature).double(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(answer.label[~silent], head.label[~silent], atol=1e-3)
