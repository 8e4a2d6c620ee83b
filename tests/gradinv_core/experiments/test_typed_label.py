"""A typed label is read as it was meant, or refused with a sentence that says what to change."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gradinv_core.experiments.typed_label import DEFAULT_SHARES, LONGEST_TEXT, random_shares, read_shares, share_label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("0.5, 0.3, 0.2", (0.5, 0.3, 0.2, 0, 0)),
        ("0.5; .3 ;0.2", (0.5, 0.3, 0.2, 0, 0)),
        ("  1  ", (1, 0, 0, 0, 0)),
        ("3: 0.5, 4:0.3, 1 :2e-1", (0, 0.2, 0, 0.5, 0.3)),
        ("0.333333 0.333333 0.333334", (0.333333, 0.333333, 0.333334, 0, 0)),
    ],
)
def test_both_ways_to_write_a_label(text, label):
    assert share_label(text, 5) == label


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The label you typed cannot be read: it must look like 0.5, 0.3, 0.2 or like 3: 0.5, 7: 0.3, 1: 0.2"),
        ("half, half", "cannot be read: it must look like"),
        ("3: 0.5, 0.5", "cannot be read: it must look like"),
        ("nan, 1", "cannot be read: it must look like"),
        ("1e999", "cannot be read: it must look like"),
        ("٠.٥, 0.5", "cannot be read: it must look like"),
        ("0.1, " * LONGEST_TEXT, "cannot be read: it must look like"),
        ("1: 0.5, 1: 0.5", "cannot be read: it names a class twice"),
        ("8: 1", "There is no class 8 for the label you typed: the last one is 4"),
        ("0.2, 0.2, 0.2, 0.2, 0.1, 0.1", "There is no class 5"),
        ("1.2, -0.2", "The share of class 1 is negative: make it 0 or more"),
        ("0.5, 0.3", "The shares you typed sum to 0.8 instead of 1: add 0.2"),
        ("0.5, 0.6", "The shares you typed sum to 1.1 instead of 1: take away 0.1"),
    ],
)
def test_a_label_that_is_none_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        share_label(text, 5)


@given(some.text())
def test_any_text_is_read_or_refused(text):
    label = (1.0,)
    with contextlib.suppress(ValueError):
        label = share_label(text, 5)
    assert sum(label) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("classes", [2, 8, 10, 100, 1000])
def test_a_random_label_sums_to_exactly_one_in_three_digits(classes):
    for seed in range(20):
        text = random_shares(classes, seed)
        thousandths = [round(1000 * share) for share in read_shares(text).values()]
        assert sum(thousandths) == 1000
        assert sum(share_label(text, classes)) == pytest.approx(1, abs=1e-12)
        assert len(text) < 400


def test_random_labels_follow_the_seed_and_each_other():
    first = random_shares(8, seed=3)
    assert random_shares(8, seed=3, current=DEFAULT_SHARES) == first
    assert random_shares(8, seed=4) != first
    second = random_shares(8, seed=3, current=first)
    assert second != first
    assert random_shares(8, seed=3, current=first) == second
