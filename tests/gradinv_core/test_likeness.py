"""How alike two pictures look: structure decides, not decibels alone."""

import numpy as np
import pytest
import torch

from gradinv_core.datasets import load_dataset
from gradinv_core.errors import ShapeError
from gradinv_core.likeness import Likeness, likeness, visible
from gradinv_core.metrics import psnr


@pytest.fixture(scope="module")
def photograph():
    return load_dataset("photographs", 32)[0][0].double().numpy()


def noisy(image, std, seed=0):
    return image + std * np.random.default_rng(seed).standard_normal(image.shape)


@pytest.mark.parametrize(
    ("std", "verdict"),
    [
        (0.001, Likeness.SAME),
        (0.05, Likeness.CLOSE),
        (0.15, Likeness.RECOGNISABLE),
        (0.5, Likeness.FAINT),
        (5.0, Likeness.NOT),
    ],
)
def test_noise_takes_it_away_step_by_step(photograph, std, verdict):
    assert likeness(noisy(photograph, std), photograph) is verdict


@pytest.mark.parametrize(
    "change", [lambda image: 0.3 * image, lambda image: 1 - image, lambda image: 0.4 + 0.2 * image]
)
def test_dark_inverted_and_pale_copies_are_recognised_though_their_decibels_are_poor(photograph, change):
    copy = change(photograph)
    assert psnr(copy, photograph) < 14
    assert likeness(copy, photograph) is Likeness.RECOGNISABLE


def test_blank_pictures_and_noise_are_not_recognised_whatever_their_decibels(photograph):
    pale = 0.5 + 0.1 * photograph
    for blank in (np.full_like(pale, pale.mean()), np.zeros_like(pale)):
        assert likeness(blank, pale) is Likeness.NOT
    assert psnr(np.full_like(pale, pale.mean()), pale) > 25
    assert likeness(np.random.default_rng(1).random(photograph.shape), photograph) is Likeness.NOT


def test_a_contrast_below_one_step_of_a_screen_shows_nothing(photograph):
    assert likeness(0.5 + 1e-3 * photograph, photograph) is Likeness.NOT


def test_a_margin_that_agrees_is_no_picture():
    logo = np.zeros((3, 32, 32))
    logo[:, 12:20, 12:20] = 1.0
    assert likeness(np.zeros_like(logo), logo) is Likeness.NOT


def test_what_lies_outside_the_range_is_judged_as_it_is_shown(photograph):
    beyond = np.where(photograph > 0.9, 7.0, photograph)
    assert likeness(beyond, photograph) is likeness(beyond.clip(0, 1), photograph)
    assert float(visible(torch.tensor([-1.0, 0.5, 2.0])).sum()) == 1.5


def test_only_the_first_three_are_recognised():
    assert [verdict.recognised for verdict in Likeness] == [True, True, True, False, False]


def test_shapes_must_agree(photograph):
    with pytest.raises(ShapeError):
        likeness(photograph[:, :8], photograph)
