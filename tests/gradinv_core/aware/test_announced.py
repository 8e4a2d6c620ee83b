"""What parameters alone imply: bounds of the length, the noise, the scale."""

import pytest
import torch

from gradinv_core.aware.announced import read_announced
from gradinv_core.defences import (
    Clip,
    DropRows,
    GaussianNoise,
    LaplaceNoise,
    PerturbFeature,
    Prune,
    Quantise,
    Sign,
)
from gradinv_core.defences.defence import norm_of

HEAD = "7.weight"


def announced(step, *defences, seed=0):
    one = step(seed=seed)
    return read_announced(one.sent(*defences), defences, HEAD)


def test_no_defence_announces_nothing(step):
    plain = announced(step)
    assert plain.scale_known
    assert plain.noise == 0
    assert (plain.quantised, plain.pruned, plain.dropped, plain.perturbed, plain.signs_only) == (None, 0, 0, 0, False)


def test_the_parameters_are_read(step):
    found = announced(step, Prune(0.5), DropRows(0.2), PerturbFeature(0.1), Quantise(8), Sign())
    assert (found.quantised, found.pruned, found.dropped, found.perturbed, found.signs_only) == (8, 0.5, 0.2, 0.1, True)
    assert not found.scale_known


AFTER = [
    (),
    (GaussianNoise(1e-6),),
    (GaussianNoise(1e-4),),
    (LaplaceNoise(1e-3),),
    (Prune(0.5),),
    (Prune(0.9),),
    (Quantise(4),),
    (DropRows(0.3),),
    (Prune(0.9), GaussianNoise(1e-6)),
    (Prune(0.9), GaussianNoise(1e-4)),
    (Prune(0.5), Quantise(8)),
    (DropRows(0.3), GaussianNoise(1e-4)),
]


@pytest.mark.parametrize("after", AFTER, ids=lambda after: "+".join(defence.name for defence in after) or "nothing")
def test_a_shortened_gradient_never_counts_as_unshortened(step, after):
    for seed in range(4):
        length = norm_of(step(seed=seed).gradients)
        for factor in (0.01, 0.5, 0.9, 0.999):
            assert not announced(step, Clip(factor * length), *after, seed=seed).scale_known


@pytest.mark.parametrize("after", [(), (GaussianNoise(1e-6),), (Prune(0.5),), (Quantise(12),)], ids=str)
def test_a_clip_far_above_the_length_is_known_to_have_done_nothing(step, after):
    assert announced(step, Clip(50 * norm_of(step().gradients)), *after).scale_known


def test_noise_is_announced_in_units_of_what_is_sent(step):
    one = step()
    assert announced(step, Clip(0.2), GaussianNoise(0.01)).noise == pytest.approx(0.002)
    # Unclipped, it follows the gradient's own length, which the server has to estimate.
    unclipped = announced(step, LaplaceNoise(1e-3)).noise
    assert unclipped == pytest.approx(1e-3 * norm_of(one.gradients), rel=0.02)
    both = announced(step, Clip(1.0), GaussianNoise(3e-3), LaplaceNoise(4e-3))
    assert both.noise == pytest.approx(5e-3)
    assert both.noise_after[GaussianNoise] == pytest.approx(4e-3)
    assert both.noise_after[LaplaceNoise] == 0


def test_a_gradient_of_zeros_is_read_too():
    nothing = {HEAD: torch.zeros(10, 768)}
    found = read_announced(nothing, (Clip(1), Prune(0.5), Quantise(4), GaussianNoise(0.1)), HEAD)
    assert found.noise == pytest.approx(0.1)
