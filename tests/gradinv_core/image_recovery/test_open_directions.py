"""Open directions of a layer, against the full eigendecomposition of its precision."""

import pytest
import scipy.sparse as sparse
import torch

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.open_directions import find_open_directions

SIZE = 150
OPEN = 20


def rotated(precisions, seed=0):
    """A belief whose precision has these eigenvalues, and its eigenvectors (columns)."""
    generator = torch.Generator().manual_seed(seed)
    vectors, _ = torch.linalg.qr(torch.randn(len(precisions), len(precisions), generator=generator).double())
    matrix = vectors @ torch.diag(precisions) @ vectors.T
    mean = torch.rand(len(precisions), generator=generator).double()
    std = (vectors**2 / precisions).sum(1).sqrt()
    return Belief(mean, (matrix + matrix.T) / 2, std), vectors


def precisions(open_=OPEN, size=SIZE):
    closed = 10 ** torch.linspace(8, 12, size - open_, dtype=torch.float64)
    return torch.cat([torch.linspace(4, 40, open_, dtype=torch.float64), closed])


def test_the_open_subspace_is_found_whole():
    belief, vectors = rotated(precisions())
    directions = find_open_directions(belief, SIZE - OPEN, smallest_std=1e-3)
    assert directions.basis.shape == (SIZE, OPEN)
    torch.testing.assert_close(directions.basis.T @ directions.basis, torch.eye(OPEN, dtype=torch.float64))
    projected = directions.basis @ directions.basis.T @ vectors[:, :OPEN]
    torch.testing.assert_close(projected, vectors[:, :OPEN], rtol=0, atol=1e-6)
    torch.testing.assert_close(directions.precision.diagonal().sort().values, precisions()[:OPEN], rtol=1e-4, atol=0)
    assert torch.equal(directions.precision, torch.diag(directions.precision.diagonal()))


def test_a_rank_told_too_high_loses_no_direction():
    """The rank is a rounded trace: spare directions are tried beyond it."""
    belief, _ = rotated(precisions())
    assert find_open_directions(belief, SIZE - OPEN + 8, 1e-3).basis.shape[1] == OPEN


def test_where_most_is_open_all_of_it_is_used():
    belief, _ = rotated(precisions(100))
    directions = find_open_directions(belief, SIZE - 100, 1e-3)
    assert directions.basis is None
    assert directions.precision is belief.precision
    point = torch.arange(SIZE, dtype=torch.float64)
    assert torch.equal(directions.along(directions.at(point) - directions.origin), point)


def test_where_no_gap_parts_open_from_closed_all_directions_move():
    belief, _ = rotated(torch.logspace(1, 5, SIZE, dtype=torch.float64))
    assert find_open_directions(belief, SIZE - 5, 1e-3).basis is None


def test_what_stays_behind_is_accounted_for():
    belief, vectors = rotated(precisions())
    directions = find_open_directions(belief, SIZE - OPEN, smallest_std=1e-3)
    closed = (vectors[:, OPEN:] ** 2 / precisions()[OPEN:]).sum(1).sqrt()
    open_std = float(precisions()[0]) ** -0.5
    torch.testing.assert_close(directions.closed_std, closed, rtol=0, atol=1e-3 * open_std)


def test_where_nothing_is_open_nothing_moves():
    belief, _ = rotated(10 ** torch.linspace(8, 12, SIZE, dtype=torch.float64))
    directions = find_open_directions(belief, SIZE, 1e-3)
    assert directions.basis.shape == (SIZE, 0)
    assert torch.equal(directions.at(torch.zeros(0, dtype=torch.float64)), belief.mean)


@pytest.mark.parametrize("open_", [OPEN, 100])
def test_coordinates_and_matrices_go_there_and_back(open_):
    belief, _ = rotated(precisions(open_))
    directions = find_open_directions(belief, SIZE - open_, 1e-3)
    basis = torch.eye(SIZE, dtype=torch.float64) if directions.basis is None else directions.basis
    coordinates = torch.randn(basis.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(directions.at(coordinates), belief.mean + basis @ coordinates)
    torch.testing.assert_close(directions.along(basis @ coordinates), coordinates)
    matrix = sparse.csr_array(
        sparse.diags_array([[2.0] * SIZE, [1.0] * (SIZE - 1), [1.0] * (SIZE - 1)], offsets=[0, 1, -1])
    )
    dense = torch.from_numpy(matrix.toarray())
    torch.testing.assert_close(directions.compress(matrix), basis.T @ dense @ basis)


def test_the_same_directions_every_time():
    belief, _ = rotated(precisions())
    state = torch.random.get_rng_state()
    first, second = (find_open_directions(belief, SIZE - OPEN, 1e-3) for _ in range(2))
    assert torch.equal(first.basis, second.basis)
    assert torch.equal(torch.random.get_rng_state(), state)
