"""The matrix of a stem's equations against the maps it is written from, and what it says where they say nothing."""

from dataclasses import replace

import pytest
import torch

from gradinv_core.image_recovery.graph.stem.direct import Direct, factored, is_small, normal_matrix
from gradinv_core.image_recovery.graph.stem.equations import Equations
from gradinv_core.image_recovery.graph.stem.final import largest_entries
from gradinv_core.image_recovery.stopping import StoppedError


@pytest.fixture
def equations(scene):
    """Factory: of a picture's own winners, seen from a picture a little off."""

    def build(stride=1):
        stem, shares, _, _ = scene(size=9, channels=24, stride=stride)
        generator = torch.Generator().manual_seed(1)
        near = shares + 1e-3 * torch.randn(shares.shape, dtype=torch.float64, generator=generator)
        return Equations.of(stem, replace(largest_entries(stem, shares), picture=near)), shares

    return build


@pytest.mark.parametrize("stride", [1, 2])
def test_the_matrix_is_what_the_equations_apply(equations, stride):
    found, _ = equations(stride)
    matrix = normal_matrix(found)
    torch.testing.assert_close(matrix, matrix.T, rtol=1e-12, atol=1e-12 * float(matrix.max()))
    picture = torch.randn(found.start.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close((matrix @ picture.flatten()).reshape(picture.shape), found.normal(picture))
    torch.testing.assert_close(found.pull(picture), found.right() - found.normal(picture))
    torch.testing.assert_close(found.diagonal().flatten(), matrix.diagonal())


def test_a_solution_leaves_nothing_to_pull_at(equations):
    found, shares = equations()
    direct = Direct(found)
    picture = direct.solution()
    assert float((picture - shares).abs().max()) < 1e-6
    assert float(found.pull(picture).norm()) < 1e-9 * float(found.right().norm())
    exact = torch.linalg.inv(normal_matrix(found)).diagonal().reshape(picture.shape)
    torch.testing.assert_close(direct.std(), (exact / found.unit).sqrt(), rtol=1e-6, atol=0)


def test_what_no_equation_sees_stays_and_is_known_to_half_its_range(equations):
    found, _ = equations()
    blind = replace(found, of_z=torch.zeros_like(found.of_z), of_gradient=torch.zeros_like(found.of_gradient))
    direct = Direct(blind)
    torch.testing.assert_close(direct.solution(), found.start, rtol=0, atol=1e-12)
    torch.testing.assert_close(direct.std(), torch.full_like(found.start, 0.5))


def test_it_is_for_small_pictures_of_numbers_and_can_be_stopped(equations):
    found, _ = equations()
    assert factored(found) is not None
    assert factored(replace(found, prior=-1e9)) is None
    assert is_small((3, 32, 32))
    assert not is_small((3, 64, 64))
    with pytest.raises(StoppedError):
        Direct(found, stop=lambda: True)
