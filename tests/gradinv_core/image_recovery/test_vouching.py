"""Error bars under noise: they hold the picture, or the recovery says why it gives none. The attacker alone decides."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.datasets import load_dataset
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import Link
from gradinv_core.image_recovery.completion import Bounds, complete
from gradinv_core.image_recovery.linear_layer import solve_linear
from gradinv_core.image_recovery.open_directions import OpenDirections
from gradinv_core.image_recovery.peel import Peeled
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.vouching import why_no_bars

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SIZE = 12


def lenet_like(activation):
    first, second = nn.Conv2d(3, 12, 5, 2, 2), nn.Conv2d(12, 12, 5, 1, 2)
    return first, activation(), second, activation(), nn.Flatten(), nn.Linear(432, 10, bias=False)


def rebuilt(model, image, multiplier, seed=0):
    """With noise of one size on all entries, as a client adds it: ``multiplier`` times the whole gradient's length."""
    clean, generator = capture_gradients(model, image, LABEL), torch.Generator().manual_seed(seed)
    length = sum(float(value.double().square().sum()) for value in clean.values()) ** 0.5
    noisy = {
        name: value + multiplier * length * torch.randn(value.shape, generator=generator)
        for name, value in clean.items()
    }
    return reconstruct_image(model, noisy, (3, SIZE, SIZE), method="analytic")


def way(smoothed=0.0, objection=0.0):
    nothing = Belief.independent(torch.zeros(4), torch.ones(4))
    return Peeled((), (), nothing, smoothed, objection, (), False)


def within(recovery, image):
    return float(((recovery.image - image).abs() <= 2 * recovery.std).double().mean())


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU], ids=["sigmoid", "relu"])
def test_bars_hold_under_every_noise_or_are_left_out_for_a_reason(network, activation):
    model, withheld, shares = network(*lenet_like(activation)), [], []
    for multiplier in (1e-6, 1e-5, 1e-4, 1e-3):
        for index in (0, 1):
            image, _ = load_dataset("photographs", SIZE)[index]
            recovery = rebuilt(model, image, multiplier, seed=index)
            if recovery.std is None:
                withheld.append(recovery)
            else:
                shares.append(within(recovery, image))
                assert recovery.why_no_std == ""
    assert min(shares) >= 0.9, shares
    for recovery in withheld:
        assert "error bars" in recovery.reason
        assert "the error bars show" not in recovery.reason
        assert recovery.why_no_std in recovery.reason


def test_small_noise_keeps_its_bars_and_they_are_narrow(network):
    model, (image, _) = network(*lenet_like(nn.Sigmoid)), load_dataset("photographs", SIZE)[0]
    recovery = rebuilt(model, image, 1e-7)
    assert float(recovery.std.median()) < 0.02
    assert 0.9 <= within(recovery, image) < 1


def test_noise_takes_bars_away_and_so_do_units_misread():
    wide, narrow = torch.full((4,), 0.25), torch.full((4,), 0.05)
    assert why_no_bars(wide, 1.0, way(smoothed=0.9), 0.0) == ""
    assert why_no_bars(narrow, 1.0, way(smoothed=0.1), 1e-3) == ""
    assert "about as wide as the range of a pixel" in why_no_bars(wide, 1.0, way(), 1e-3)
    assert why_no_bars(wide, 2.0, way(), 1e-3) == ""  # beside a range twice as large
    assert "leaves 90% of the picture to the assumption" in why_no_bars(narrow, 1.0, way(smoothed=0.9), 1e-3)
    assert "leaves no picture" in why_no_bars(narrow, 1.0, way(objection=50.0), 1e-3)
    assert "taken for active, or silent, in error" in why_no_bars(narrow, 1.0, way(objection=50.0), 0.0)


def test_a_picture_of_many_edges_is_known_less_well_where_smoothness_decides():
    """The same directions open in both; what is measured on the picture makes the difference."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(64, 12, dtype=torch.float64, generator=generator)).Q
    weak = 4 * torch.eye(12, dtype=torch.float64)
    flat = torch.full((64,), 0.5, dtype=torch.float64)
    busy = torch.rand(64, dtype=torch.float64, generator=generator)
    bounds = Bounds((1, 8, 8), 1.0, 0.0, 1.0)
    calm, rough = (complete(OpenDirections(origin, basis, weak), bounds) for origin in (flat, busy))
    assert float(rough.std.mean()) > 4 * float(calm.std.mean())


def test_bars_grow_where_the_equations_object_to_smoothness():
    """Equations of a noisy picture, sure of their noise; smoothness flattens more than they can bear."""
    busy = 0.5 + 0.1 * torch.randn(64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    bounds = Bounds((1, 8, 8), 1.0, 0.0, 1.0)
    completion = complete(OpenDirections(busy, None, 0.03**-2.0 * torch.eye(64, dtype=torch.float64)), bounds)
    assert completion.objection > 0.5
    assert completion.decided < len(busy)
    # Smoothness believed itself: without the objection the bars would be far below the noise of the equations.
    torch.testing.assert_close(completion.std, torch.full((64,), 0.03, dtype=torch.float64), rtol=0.1, atol=0)


def test_an_error_along_delta_moves_the_whole_input_of_a_linear_layer():
    layer = nn.Linear(3, 4, bias=False)
    delta = torch.tensor([1.0, 2.0, 0.0, 2.0], dtype=torch.float64)
    value = torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64)
    gradients = {"0.weight": torch.outer(delta, value).float()}
    sure = torch.full((4,), 1e-2, dtype=torch.float64)
    belief = Belief.independent(torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64))
    solved = solve_linear(Link("0", layer, (3,), (4,)), layer, Arriving(belief, delta, sure), gradients, 0.0)
    # |delta| = 3: an error of 0.01 along it is one of a third of a percent, and the input is off by as much.
    torch.testing.assert_close(solved.arriving.belief.common.abs(), 1e-2 / 3 * value, rtol=1e-6, atol=1e-9)
    across = torch.tensor([0.0, 0.0, 1e-2, 0.0], dtype=torch.float64)
    solved = solve_linear(Link("0", layer, (3,), (4,)), layer, Arriving(belief, delta, across), gradients, 0.0)
    assert solved.arriving.belief.common is None
