"""Search, winners and the final picture, one after the other, against the picture that was there."""

from dataclasses import replace

import pytest
import torch

from gradinv_core.image_recovery.graph.stem import bars, final, front_door, recover_picture
from gradinv_core.image_recovery.graph.stem.bars import error_bars
from gradinv_core.image_recovery.graph.stem.final import agree, largest_entries, resolve, take_at_word
from gradinv_core.image_recovery.graph.stem.search import search
from gradinv_core.image_recovery.graph.stem.winners import settle_winners
from gradinv_core.image_recovery.stopping import StoppedError
from gradinv_core.pixels import PixelSpace


def decibels(found, true):
    return -10 * torch.log10((found - true).square().mean()).item()


def test_the_search_comes_near_and_tells_on_the_way(scene):
    stem, shares, _, _ = scene()
    told = []
    found = search(stem, 60, lambda count, _, misfit: told.append((count, misfit)))
    assert decibels(found, shares) > 18
    assert [count for count, _ in told] == [25, 50]
    assert told[-1][1] < told[0][1]


def test_winners_settle_from_a_picture_that_is_nearly_right(scene):
    stem, shares, _, dz = scene()
    generator = torch.Generator().manual_seed(2)
    start = shares + 0.02 * torch.randn(shares.shape, dtype=torch.float64, generator=generator)
    found = settle_winners(stem, start, 15)
    assert decibels(found.picture, shares) > 60
    assert found.misfit < 1e-4
    assert found.torn < 0.01
    torch.testing.assert_close(found.dz, dz, rtol=0, atol=1e-2 * float(dz.abs().max()))
    settled = resolve(stem, found)
    assert agree(stem, settled)
    assert decibels(settled.picture, shares) > 80
    std = error_bars(stem, settled)
    assert std.shape == shares.shape
    assert float(((settled.picture - shares).abs() <= 2 * std).double().mean()) > 0.9


def test_a_large_picture_is_solved_in_rounds_and_its_errors_are_drawn(scene, monkeypatch):
    stem, shares, _, _ = scene(size=9, channels=24)
    generator = torch.Generator().manual_seed(2)
    near = largest_entries(stem, shares + 1e-4 * torch.randn(shares.shape, dtype=torch.float64, generator=generator))
    exact = error_bars(stem, resolve(stem, near))
    for room in (final, bars):
        monkeypatch.setattr(room, "factored", lambda *_: None)
    found = resolve(stem, near)
    assert agree(stem, found)
    assert decibels(found.picture, shares) > 80
    ratio = error_bars(stem, found) / exact
    assert 0.6 < float(ratio.median()) < 1.6
    blind = error_bars(replace(stem, scale=stem.scale * (torch.arange(9) > 0)), found)
    assert bool((blind[..., 0] >= 0.5).all())  # pixels that no equation sees


def test_a_wrong_pixel_that_only_its_own_equations_see_is_not_believed(scene):
    stem, shares, _, dz = scene(size=9, channels=24)
    start = shares.clone()
    start[1, 4, 4] += 0.3
    wrong = largest_entries(stem, start)
    assert wrong.total > 0.1
    assert not agree(stem, wrong)
    settled = resolve(stem, wrong)  # weighing alone stays at 34 dB, and misfits
    assert agree(stem, settled)
    assert decibels(settled.picture, shares) > 150
    words = take_at_word(stem, wrong)
    torch.testing.assert_close(words.dz, dz, rtol=0, atol=1e-9)
    with pytest.raises(StoppedError):
        take_at_word(stem, wrong, stop=lambda: True)


def test_winners_that_do_not_stand_are_looked_for_again(scene, monkeypatch):
    stem, shares, _, _ = scene(size=9, channels=24)
    answers = []

    def late(*arguments):
        answers.append(len(answers) == 1 and agree(*arguments))
        return answers[-1]

    monkeypatch.setattr(front_door, "agree", late)
    found = recover_picture(stem, PixelSpace(), start=shares, turns=2)
    assert found.settled
    assert decibels(found.picture, shares) > 100
    answers[:] = [False, False]
    assert not recover_picture(stem, PixelSpace(), start=shares, turns=2).settled
    assert len(answers) == 2 + 3


def test_lambda_moves_the_picture_along_with_the_map(scene):
    stem, shares, _, _ = scene()
    found = settle_winners(stem, shares, 2)
    narrow, wide = error_bars(stem, found), error_bars(stem, found, 1e-2)
    assert bool((wide >= narrow).all())
    assert float(wide.mean()) > 1e-3


def test_both_steps_give_the_picture_in_its_own_range(scene, monkeypatch):
    monkeypatch.setattr(front_door, "_ROUNDS", 150)
    stem, shares, _, _ = scene(size=9)
    steps = []
    found = recover_picture(stem, PixelSpace(low=-1.0, high=1.0), on_step=steps.append)
    assert found.settled
    assert decibels(found.picture, 2 * shares - 1) > 60
    assert {step.title for step in steps} == {"A picture the max pool allows", "Which entries the max pool took"}
    assert [step.iteration for step in steps] == list(range(1, len(steps) + 1))
    assert found.steps == tuple(steps)


def test_stop_gives_the_best_so_far(scene):
    stem, _, _, _ = scene()
    steps = []
    found = recover_picture(stem, PixelSpace(), on_step=steps.append, stop=lambda: len(steps) >= 2)
    assert found.stopped
    assert found.std is None
    assert found.picture.shape == stem.shape
    with pytest.raises(StoppedError):
        settle_winners(stem, found.picture, 3, stop=lambda: True)
