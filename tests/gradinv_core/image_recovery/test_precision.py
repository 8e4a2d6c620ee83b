"""A precision matrix in parts, against the same matrix written out."""

import torch

from gradinv_core.image_recovery.precision import Precision

SIZE = 7


def draw(seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(SIZE, SIZE + 4, dtype=torch.float64, generator=generator)
    return Precision.of(rows @ rows.T), rows


def written_out(precision):
    """Column by column."""
    return torch.stack([precision.apply(unit) for unit in torch.eye(SIZE, dtype=torch.float64)])


def test_scales_and_a_direction_are_kept_apart_and_come_out_together():
    precision, rows = draw()
    scale, pull = rows[:, 0], rows[:, 1]
    changed = precision.scaled(scale).less(pull, 0.1).scaled(scale)
    expected = precision.base * torch.outer(scale, scale) - 0.1 * torch.outer(pull, pull)
    expected = expected * torch.outer(scale, scale)
    assert changed.base is precision.base
    torch.testing.assert_close(changed.matrix(), expected)
    torch.testing.assert_close(written_out(changed), expected)
    torch.testing.assert_close(changed.diagonal, expected.diagonal())


def test_a_second_direction_and_an_entry_of_which_nothing_is_known_are_written_out():
    precision, rows = draw()
    twice = precision.less(rows[:, 0], 0.1).less(rows[:, 1], 0.2)
    expected = precision.base - 0.1 * torch.outer(rows[:, 0], rows[:, 0]) - 0.2 * torch.outer(rows[:, 1], rows[:, 1])
    torch.testing.assert_close(twice.matrix(), expected)
    silent = precision.scaled(torch.arange(SIZE, dtype=torch.float64))
    torch.testing.assert_close(
        silent.less(rows[:, 0], 0.1).matrix(), silent.matrix() - 0.1 * torch.outer(rows[:, 0], rows[:, 0])
    )


def test_float32_is_read_as_float64():
    precision, rows = draw()
    single = Precision.of(precision.base.float())
    assert single.matrix().dtype == single.diagonal.dtype == single.apply(rows[:, 0]).dtype == torch.float64
    torch.testing.assert_close(single.apply(rows[:, 0]), precision.apply(rows[:, 0]), rtol=1e-5, atol=1e-5)
