"""Units taken for the wrong kind are found by the rows they spoil, and put right."""

import torch
from torch import nn

from gradinv_core.image_recovery.graph.reader import reader_of
from gradinv_core.image_recovery.graph.signs import Gate, Reading, settle

ROUNDING = 2.0**-24


def scene(groups=1, seed=0):
    """A layer, what it read, and the gradient that reached it through a ReLU."""
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Conv2d(8, 24, 3, padding=1, groups=groups).double()
    reader = reader_of("layer", layer, (8, 5, 5))
    value = torch.randn(8, 25, dtype=torch.float64, generator=generator)
    whole = torch.randn(24, 25, dtype=torch.float64, generator=generator)
    active = torch.rand(24, 25, generator=generator) > 0.5
    rows = reader.rows(whole * active).reshape(groups, 24 // groups, 9, 25)
    parts = value.reshape(groups, 8 // groups, 25)
    gradient = torch.cat([part @ each.T for part, each in zip(rows, parts, strict=True)]).transpose(1, 2)
    return reader, value, whole, active, gradient.contiguous()


def test_wrong_units_are_put_right():
    for groups in (1, 2):
        reader, value, whole, active, gradient = scene(groups)
        taken = active.clone()
        wrong = [(2, 3), (2, 4), (9, 0), (17, 24)]
        for output, place in wrong:
            taken[output, place] ^= True
        gate = Gate(taken, torch.zeros_like(taken))
        found = settle([Reading(reader, gradient, whole * taken, gate, whole)], ROUNDING)
        assert torch.equal(gate.active, active)
        assert found.flipped == len(wrong)
        assert found.unsettled == (0,)
        torch.testing.assert_close(found.solution.value, value, rtol=0, atol=1e-8)


def test_a_single_wrong_unit_is_found_where_the_input_is_too_smooth_to_read_all_off_at_once():
    generator = torch.Generator().manual_seed(1)
    layer = nn.Conv2d(8, 24, 3, padding=1).double()
    reader = reader_of("layer", layer, (8, 6, 6))
    waves = torch.cos(torch.linspace(0, 1.5, 36, dtype=torch.float64) * torch.arange(8).double()[:, None])
    value = waves + 1e-7 * torch.randn(8, 36, dtype=torch.float64, generator=generator)
    whole = torch.randn(24, 36, dtype=torch.float64, generator=generator)
    active = torch.rand(24, 36, generator=generator) > 0.5
    exact = (reader.rows(whole * active) @ value.T).transpose(1, 2)
    gradient = exact.float().double().contiguous()  # rounded, as a client sends it
    taken = active.clone()
    for output, place in [(3, 7), (11, 20), (11, 30)]:
        taken[output, place] ^= True
    gate = Gate(taken, torch.zeros_like(taken))
    found = settle([Reading(reader, gradient, whole * taken, gate, whole)], ROUNDING)
    assert torch.equal(gate.active, active)
    assert (found.flipped, found.unsettled) == (3, (0,))


def test_a_unit_that_is_sure_keeps_its_side_and_its_channel_is_told():
    reader, value, whole, active, gradient = scene()
    taken, sure = active.clone(), torch.zeros_like(active)
    taken[5, 7] ^= True
    sure[5, 7] = True
    gate = Gate(taken, sure)
    found = settle([Reading(reader, gradient, whole * taken, gate, whole)], ROUNDING)
    assert bool(gate.active[5, 7]) != bool(active[5, 7])
    assert found.unsettled == (1,)
    torch.testing.assert_close(found.solution.value, value, rtol=0, atol=1e-5)


def test_without_a_gate_nothing_is_flipped():
    reader, value, whole, active, gradient = scene()
    found = settle([Reading(reader, gradient, whole * active)], ROUNDING)
    assert (found.flipped, found.unsettled) == (0, (0,))
    torch.testing.assert_close(found.solution.value, value, rtol=0, atol=1e-8)


def test_units_are_told_by_fewer_equations_than_there_are():
    """A 1x1 layer: 24 equations for the 36 units of an output channel, nine of them taken for the wrong kind."""
    generator = torch.Generator().manual_seed(0)
    reader = reader_of("layer", nn.Conv2d(24, 60, 1), (24, 6, 6))
    value = torch.rand(24, 36, dtype=torch.float64, generator=generator) + 1
    whole = torch.randn(60, 36, dtype=torch.float64, generator=generator) * torch.logspace(-3, 0, 36).double()
    active = torch.rand(60, 36, generator=generator) > 0.5
    taken = active.clone()
    for place in range(0, 36, 4):
        taken[5, place] ^= True
    gate = Gate(taken, torch.zeros_like(taken))
    reading = Reading(reader, ((whole * active) @ value.T)[..., None], whole * taken, gate, whole)
    found = settle([reading], ROUNDING)
    assert torch.equal(gate.active, active)
    assert (found.flipped, found.unsettled) == (9, (0,))
    torch.testing.assert_close(found.solution.value, value, rtol=0, atol=1e-5)
