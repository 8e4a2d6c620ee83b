"""Convex completion on problems small enough for a general-purpose solver."""

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
from scipy.optimize import linprog, minimize

from gradinv_core.image_recovery.completion import Bounds, complete
from gradinv_core.image_recovery.open_directions import OpenDirections

EDGE = 0.04  # the prior's typical edge: total variation weighs 1 / EDGE


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def edges(image):
    """Lengths of the gradient, colours coupled; the far edges have no neighbour."""
    right, down = np.zeros_like(image), np.zeros_like(image)
    right[:, :, :-1], down[:, :-1] = np.diff(image, axis=2), np.diff(image, axis=1)
    return np.sqrt((right**2 + down**2).sum(0)).ravel()


def cost(x, directions, bounds):
    """What the completion promises to minimise, over all n coordinates."""
    apart = x - directions.origin.numpy()
    misfit = apart @ directions.precision.numpy() @ apart / 2
    return misfit + edges(x.reshape(bounds.shape)).sum() * 2 * bounds.shape[0] / (EDGE * bounds.scale)


def reference(directions, bounds):
    """The same minimum by sequential quadratic programming, the corners of total variation rounded ever less."""
    size = len(directions.origin)
    origin, precision = directions.origin.numpy(), directions.precision.numpy()

    def rounded(x, corner):
        lengths = np.sqrt(edges(x.reshape(bounds.shape)) ** 2 + corner**2)
        return (x - origin) @ precision @ (x - origin) / 2 + lengths.sum() * 2 * bounds.shape[0] / (EDGE * bounds.scale)

    limits = []
    if bounds.half_matrix is not None:
        rows, half = bounds.half_matrix.toarray(), bounds.half_limit.numpy()
        limits.append({"type": "ineq", "fun": lambda x: half - rows @ x})
    x = np.clip(origin, bounds.low, bounds.high)
    for corner in (0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4):
        x = minimize(
            rounded,
            x,
            (corner,),
            method="SLSQP",
            bounds=[(bounds.low, bounds.high)] * size,
            constraints=limits,
            options={"maxiter": 1000, "ftol": 1e-10},
        ).x
    return x


def whole(origin, rows, seed=0):
    """All directions, some combinations of which are known well."""
    known = normal(rows, len(origin), seed=seed)
    return OpenDirections(origin, None, 30 * known.T @ known + 4 * torch.eye(len(origin), dtype=torch.float64))


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("shape", [(1, 3, 3), (2, 2, 3)])
def test_the_minimum_is_that_of_a_general_solver(shape, half):
    size = int(np.prod(shape))
    origin = 0.5 + 0.6 * normal(size, seed=3)
    directions = whole(origin, 4)
    bounds = Bounds(shape, 1.0, 0.0, 1.0)
    if half:
        rows = sparse.csr_array(normal(3, size, seed=5).numpy())
        limit = torch.from_numpy(rows @ np.full(size, 0.4)) - 0.1
        bounds = Bounds(shape, 1.0, 0.0, 1.0, rows, limit)
    completion, expected = complete(directions, bounds), reference(directions, bounds)
    assert cost(completion.value.numpy(), directions, bounds) <= cost(expected, directions, bounds) * 1.001
    np.testing.assert_allclose(completion.value.numpy(), expected, atol=5e-3)
    assert completion.convergence[-1] < 1e-5
    if half:
        assert ((rows @ completion.value.numpy()) <= limit.numpy() + 1e-3).all()


def test_a_row_of_pixels_is_a_linear_programme():
    """One row, three known pixels, one inequality and hardly any other evidence: total variation alone decides."""
    size, known = 8, {0: 0.1, 4: 0.9, 7: 0.3}
    diagonal, origin = torch.full((size,), 1e-6, dtype=torch.float64), torch.full((size,), 0.5, dtype=torch.float64)
    for pixel, value in known.items():
        diagonal[pixel], origin[pixel] = 1e8, value
    rows = np.zeros((1, size))
    rows[0, 2] = -1.0  # pixel 2 is at least 0.95: beyond what its neighbours would make of it
    bounds = Bounds((1, 1, size), 1.0, 0.0, 1.0, sparse.csr_array(rows), torch.tensor([-0.95], dtype=torch.float64))
    value = complete(OpenDirections(origin, None, torch.diag(diagonal)), bounds).value.numpy()

    steps = np.diff(np.eye(size), axis=0)
    never = np.vstack(
        [np.hstack([sign * steps, -np.eye(size - 1)]) for sign in (1, -1)]
        + [np.hstack([rows, np.zeros((1, size - 1))])]
    )
    fixed = np.zeros((len(known), 2 * size - 1))
    fixed[range(len(known)), list(known)] = 1
    best = linprog(
        np.r_[np.zeros(size), np.ones(size - 1)],
        never,
        np.r_[np.zeros(2 * size - 2), -0.95],
        fixed,
        list(known.values()),
        [(0, 1)] * size + [(0, None)] * (size - 1),
    )
    assert np.abs(np.diff(value)).sum() == pytest.approx(best.fun, abs=2e-3)
    for pixel, expected in known.items():
        assert value[pixel] == pytest.approx(expected, abs=1e-4)
    assert value[2] >= 0.95 - 1e-4


def blocks(height=8, width=8):
    """A picture of four flat patches."""
    image = torch.full((1, height, width), 0.2, dtype=torch.float64)
    image[:, 2:6, 3:7] = 0.9
    image[:, :2] = 0.6
    return image


def partly_known(image, share, seed=0):
    """Fewer exact equations than pixels: their null space, seen from a point that fulfils them."""
    equations = normal(int(share * image.numel()), image.numel(), seed=seed)
    basis = torch.linalg.svd(equations).Vh[len(equations) :].T
    origin = image.flatten() + basis @ (basis.T @ (0.5 - image.flatten()))
    return OpenDirections(origin, basis, 4 * torch.eye(basis.shape[1], dtype=torch.float64)), equations


def test_flat_patches_come_back_from_three_quarters_of_the_equations():
    image = blocks()
    directions, equations = partly_known(image, 0.75)
    completion = complete(directions, Bounds((1, 8, 8), 1.0, 0.0, 1.0))
    error = (completion.value - image.flatten()).abs()
    assert float((directions.origin - image.flatten()).abs().mean()) > 0.1
    assert float(error.max()) < 0.02
    assert float((equations @ (completion.value - image.flatten())).norm() / equations.norm()) < 1e-3
    assert (completion.std > 0).all()
    assert float((error <= 2 * completion.std).double().mean()) > 0.9


def test_bounds_hold_and_the_allowed_copy_keeps_them_exactly():
    directions, _ = partly_known(torch.rand(1, 6, 6, generator=torch.Generator().manual_seed(1)).double().round(), 0.5)
    completion = complete(directions, Bounds((1, 6, 6), 1.0, 0.0, 1.0))
    for copy in (completion.value, completion.allowed):
        assert 0 <= float(copy.min()) <= float(copy.max()) <= 1
    assert (completion.allowed == 0).any()
    assert float((completion.value - completion.allowed).norm()) / 6 < 1e-3


def test_the_scale_of_the_input_does_not_matter():
    """The same problem in other units: ten times the values, a hundredth of the precision."""
    directions, _ = partly_known(blocks(), 0.75)
    larger = OpenDirections(10 * directions.origin, directions.basis, directions.precision / 100)
    one = complete(directions, Bounds((1, 8, 8), 1.0, 0.0, 1.0))
    ten = complete(larger, Bounds((1, 8, 8), 10.0, 0.0, 10.0))
    torch.testing.assert_close(ten.value, 10 * one.value, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ten.std, 10 * one.std, rtol=1e-6, atol=1e-8)


def test_smoothness_is_what_the_bars_follow_from():
    directions = whole(torch.full((9,), 0.5, dtype=torch.float64), 4)
    completion = complete(directions, Bounds((1, 3, 3), 1.0, 0.0, 1.0))
    smoothness = torch.from_numpy(completion.smoothness.toarray())
    assert torch.linalg.eigvalsh(smoothness).min() > -1e-9
    assert float(smoothness.sum(1).abs().max()) < 1e-9 * float(smoothness.diagonal().max())  # a flat picture is free
    covariance = torch.linalg.inv(directions.precision + smoothness)
    wider = 1.25  # the factor by which such bars were measured to be too narrow
    torch.testing.assert_close(completion.std, wider * covariance.diagonal().sqrt())


def test_both_bases_lead_to_the_same_picture():
    """Directions as a basis of everything, or everything without a basis."""
    origin = 0.5 + 0.3 * normal(12, seed=2)
    plain = whole(origin, 5)
    basis, _ = torch.linalg.qr(normal(12, 12, seed=4))
    turned = OpenDirections(origin, basis, basis.T @ plain.precision @ basis)
    bounds = Bounds((3, 2, 2), 1.0, 0.0, 1.0)
    torch.testing.assert_close(complete(plain, bounds).value, complete(turned, bounds).value, rtol=0, atol=1e-4)
    torch.testing.assert_close(complete(plain, bounds).std, complete(turned, bounds).std, rtol=1e-3, atol=1e-6)


def test_the_same_twice():
    directions, _ = partly_known(blocks(), 0.75)
    origin, state = directions.origin.clone(), torch.random.get_rng_state()
    first, second = (complete(directions, Bounds((1, 8, 8), 1.0, 0.0, 1.0)) for _ in range(2))
    assert torch.equal(first.value, second.value)
    assert first.convergence == second.convergence
    assert torch.equal(directions.origin, origin)
    assert torch.equal(torch.random.get_rng_state(), state)
