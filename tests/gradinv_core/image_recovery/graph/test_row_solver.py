"""Least squares over rows: exact where they are, honest where they are not, deaf to rows that are wrong."""

import torch

from gradinv_core.image_recovery.graph.forward_rows import close_directions
from gradinv_core.image_recovery.graph.reader import reader_of
from gradinv_core.image_recovery.graph.row_solver import MISFIT, Entries, Rows, solve_rows

ROUNDING = 2.0**-24


def system(outputs=40, taps=9, pixels=30, channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(outputs, taps, pixels, dtype=torch.float64, generator=generator)
    matrix *= torch.rand(outputs, 1, 1, dtype=torch.float64, generator=generator) + 0.01
    value = torch.randn(channels, pixels, dtype=torch.float64, generator=generator)
    return matrix, value, generator


def test_exact_rows_give_the_value_and_its_rank():
    matrix, value, _ = system()
    found = solve_rows([Rows(matrix, matrix @ value.T)], ROUNDING)
    torch.testing.assert_close(found.value, value, rtol=0, atol=1e-9)
    assert (found.rank, found.equations) == (30, 360)
    assert found.condition < 100
    assert float(found.std.max()) < 1e-6
    assert found.relative[0] < 1e-12


def test_several_layers_add_their_rows():
    matrix, value, _ = system(outputs=3)
    other, _, _ = system(outputs=30, taps=1, seed=1)
    found = solve_rows([Rows(each, each @ value.T) for each in (matrix, other)], ROUNDING)
    torch.testing.assert_close(found.value, value, rtol=0, atol=1e-8)
    assert [len(misfit) for misfit in found.misfits] == [3, 30]


def test_a_wrong_output_channel_is_left_out_and_told():
    matrix, value, generator = system()
    target = matrix @ value.T
    target[[3, 17]] += 0.1 * torch.randn(2, 9, 5, dtype=torch.float64, generator=generator)
    found = solve_rows([Rows(matrix, target)], ROUNDING)
    assert (found.misfits[0] > MISFIT).nonzero()[:, 0].tolist() == [3, 17]
    torch.testing.assert_close(found.value, value, rtol=0, atol=1e-5)


def test_error_bars_hold_added_noise_and_noise_in_proportion():
    for kind in ("added", "in proportion", "of whole channels"):
        shares = []
        for seed in range(5):
            matrix, value, generator = system(seed=seed)
            target = matrix @ value.T
            if kind == "of whole channels":
                target = target * (1 + 1e-3 * torch.randn(40, 1, 1, dtype=torch.float64, generator=generator))
            else:
                size = target if kind == "in proportion" else target.square().mean().sqrt()
                target = target + 1e-3 * size * torch.randn(target.shape, dtype=torch.float64, generator=generator)
            found = solve_rows([Rows(matrix, target)], ROUNDING)
            shares.append(((found.value - value).abs() <= 2 * found.std).double().mean())
        assert 0.9 <= float(torch.stack(shares).mean()) <= 1.0, kind


def test_error_bars_hold_where_few_strong_rows_say_almost_everything():
    shares = []
    for seed in range(4):
        matrix, value, generator = system(outputs=80, taps=1, pixels=30, channels=20, seed=seed)
        matrix[40:] *= 1e-3
        target = matrix @ value.T
        target = target + 1e-4 * target * torch.randn(target.shape, dtype=torch.float64, generator=generator)
        found = solve_rows([Rows(matrix, target)], ROUNDING)
        shares.append(((found.value - value).abs() <= 2 * found.std).double().mean())
    assert 0.9 <= float(torch.stack(shares).mean()) <= 1.0, shares


def test_what_no_row_speaks_of_has_wide_bars():
    matrix, value, _ = system()
    matrix[:, :, 7] = 0
    found = solve_rows([Rows(matrix, matrix @ value.T)], ROUNDING)
    assert found.rank == 29
    known = torch.arange(30) != 7
    torch.testing.assert_close(found.value[:, known], value[:, known], rtol=0, atol=1e-8)
    assert bool((found.std[:, 7] > 100 * found.std[:, known].max()).all())


def test_known_entries_close_what_too_few_rows_leave_open():
    matrix, value, generator = system(outputs=20, taps=1)
    known = torch.rand(value.shape, generator=generator) < 0.6
    std = torch.where(known, 1e-8, torch.inf)
    entries = Entries(torch.where(known, value, 0.0), std)
    found = solve_rows([Rows(matrix, matrix @ value.T)], ROUNDING, entries=entries)
    torch.testing.assert_close(found.value, value, rtol=0, atol=1e-5)
    assert found.precision is not None
    assert found.precision.shape == (5, 30, 30)
    assert bool(((found.value - value).abs() <= 5 * found.std + 1e-9).all())


def test_the_layers_own_output_closes_directions_or_objects():
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Conv2d(6, 8, 1, bias=False)
    reader = reader_of("layer", layer, (6, 4, 4))
    value = torch.randn(6, 16, dtype=torch.float64, generator=generator)
    along = torch.nn.functional.normalize(torch.randn(16, dtype=torch.float64, generator=generator), dim=0)
    rows = torch.eye(16).double() - torch.outer(along, along)  # all but one direction of each channel is known
    precision = 1e12 * rows.expand(6, -1, -1) + torch.eye(16).double()
    guess = value + torch.randn(6, 1, dtype=torch.float64, generator=generator) * along
    output, std = reader.push(value), torch.full((8, 16), 1e-7, dtype=torch.float64)
    closed, bars = close_directions(guess, torch.ones_like(value), precision, reader, output, std)
    torch.testing.assert_close(closed, value, rtol=0, atol=1e-5)
    assert float(bars.max()) < 1e-4
    noise = torch.randn(output.shape, dtype=torch.float64, generator=generator)
    kept, _ = close_directions(guess, torch.ones_like(value), precision, reader, output + noise, std)
    assert torch.equal(kept, guess)
