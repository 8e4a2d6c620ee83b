"""One convolution's input by Gaussian inference, against least squares on matrices that autograd writes down."""

import pytest
import torch
from torch import nn

from gradinv_core.image_recovery.activations import PIXELS, Range
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution import convolution_equations
from gradinv_core.image_recovery.dense import solve_dense
from gradinv_core.image_recovery.normal_equations import NormalEquations
from gradinv_core.image_recovery.read_back import Arriving
from gradinv_core.image_recovery.solution import noise_scale

SHAPE = (2, 5, 4)
LAYERS = {
    "plain": {"kernel_size": 3, "padding": 1},
    "stride": {"kernel_size": 3, "padding": 1, "stride": 2},
    "groups, dilation, no bias": {"kernel_size": 2, "groups": 2, "dilation": 2, "bias": False},
}


def normal(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


class Case:
    """One layer, one input, what arrives above it, and both linear systems as autograd's Jacobians."""

    def __init__(self, network, options, output_std=0.0, gradient_std=0.0, correlated=False, seed=0):
        self.layer = network(nn.Conv2d(2, 4, **options), seed=seed, dtype=torch.float64)[0]
        self.image = torch.rand(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        output = self.layer(self.image[None])
        self.delta = normal(*output.shape, seed=seed + 1)
        self.shift = self.layer(torch.zeros(1, *SHAPE, dtype=torch.float64)).detach().flatten()

        def weight_gradient(image):
            weight = self.layer.weight.detach().requires_grad_(True)
            value = torch.func.functional_call(self.layer, {"weight": weight}, (image[None],))
            return torch.autograd.grad((value * self.delta).sum(), weight, create_graph=True)[0].flatten()

        size = self.image.numel()
        self.forward = torch.autograd.functional.jacobian(
            lambda image: self.layer(image[None]).flatten(), self.image
        ).reshape(-1, size)
        self.correlation = torch.autograd.functional.jacobian(weight_gradient, self.image).reshape(-1, size)
        mean = output.detach().flatten()
        if correlated:
            root = normal(len(mean), len(mean) + 5, seed=seed + 2) * (output_std / len(mean) ** 0.5)
            covariance = root @ root.T
            noise = torch.linalg.cholesky(covariance) @ normal(len(mean), seed=seed + 3)
            self.belief = Belief(mean + noise, covariance.inverse(), covariance.diagonal().sqrt())
        else:
            noise = output_std * normal(len(mean), seed=seed + 3)
            self.belief = Belief.independent(mean + noise, torch.full_like(mean, max(output_std, 1e-9)))
        self.gradient = (self.correlation @ self.image.flatten()).reshape(self.layer.weight.shape)
        self.gradient = self.gradient + gradient_std * normal(*self.gradient.shape, seed=seed + 4)
        arriving = Arriving(self.belief, self.delta.flatten(), torch.zeros(self.delta.numel(), dtype=torch.float64))
        self.equations = convolution_equations(self.layer, SHAPE, arriving, self.gradient, gradient_std, PIXELS)

    def least_squares(self, equations):
        """Normal matrix and mean from the explicit systems, with the weights these equations state."""
        each = len(self.gradient.flatten()) // self.layer.out_channels
        taps = self.layer.weight[0, 0].numel()
        weights = equations.weights.reshape(self.layer.out_channels, taps)[:, :1].expand(-1, each).flatten()
        believed = equations.believed
        precision = torch.diag(believed.precision) if believed.is_diagonal else believed.precision
        prior = equations.prior_precision
        matrix = self.forward.T @ precision @ self.forward + self.correlation.T @ (weights[:, None] * self.correlation)
        right = self.forward.T @ precision @ (self.belief.mean - self.shift)
        right = right + self.correlation.T @ (weights * self.gradient.flatten()) + prior * 0.5
        matrix = matrix + prior * torch.eye(len(matrix), dtype=torch.float64)
        return matrix, torch.linalg.solve(matrix, right)


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_the_dense_solution_is_weighted_least_squares(network, options, correlated):
    case = Case(network, options, output_std=1e-2, gradient_std=1e-2, correlated=correlated)
    solution = solve_dense(case.equations)
    matrix, mean = case.least_squares(solution.equations)
    prior = case.equations.prior_precision
    covariance = torch.linalg.inv(matrix)
    rank = len(matrix) - prior * float(covariance.diagonal().sum())
    scale = noise_scale(solution.equations, mean, rank)
    assert solution.rank == round(rank)
    torch.testing.assert_close(solution.belief.mean, mean, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(solution.belief.std, (covariance.diagonal() * scale).sqrt(), rtol=1e-6, atol=1e-10)
    torch.testing.assert_close(solution.belief.precision, matrix / scale, rtol=1e-6, atol=1e-6)
    normal = NormalEquations(solution.equations, torch.float64)
    torch.testing.assert_close(normal.unit * normal.matrix, matrix, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_both_systems_are_the_jacobians(network, options):
    case = Case(network, options)
    of_output, of_gradient = case.equations.misfits(torch.zeros(case.image.numel(), dtype=torch.float64))
    torch.testing.assert_close(of_output, case.forward @ case.image.flatten())
    assert float(of_gradient.norm()) == pytest.approx(float(case.gradient.norm()))
    of_output, of_gradient = case.equations.misfits(case.image.flatten())
    assert float(of_output.abs().max()) < 1e-12
    assert float(of_gradient.abs().max()) < 1e-12
    assert case.equations.relative_misfit(case.image.flatten()) < 1e-12
    assert case.equations.contradiction(case.image.flatten()) < 1e-9
    assert case.equations.contradiction(1 - case.image.flatten()) > 0.1
    assert case.equations.counts == (len(case.forward), len(case.correlation))


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS)
def test_pull_is_the_transpose_of_misfits(network, options):
    case = Case(network, options, output_std=0.1, gradient_std=0.1, correlated=True)
    equations, x = case.equations, normal(case.image.numel(), seed=9)
    nothing = torch.zeros_like(x)
    zero, image = equations.misfits(nothing), equations.misfits(x)
    sent = [before - after for before, after in zip(zero, image, strict=True)]  # A x and M x
    received = normal(*sent[0].shape, seed=10), normal(*sent[1].shape, seed=11)
    weighted = equations.believed.apply(received[0]), equations.weights[..., None] * received[1]
    left = sum(float((a * b).sum()) for a, b in zip(sent, weighted, strict=True))
    assert left == pytest.approx(float(x @ equations.pull(*received)), rel=1e-9)


def test_float64_gradients_give_the_image_to_float64(network):
    case = Case(network, LAYERS["plain"])
    solution = solve_dense(case.equations)
    assert float((solution.belief.mean - case.image.flatten()).abs().max()) < 1e-10
    assert solution.rank == case.image.numel()


def test_error_bars_hold_the_truth_as_often_as_they_say(network):
    inside, scales = [], []
    for seed in range(60):
        case = Case(network, LAYERS["plain"], output_std=1e-3, gradient_std=3e-3, seed=seed)
        solution = solve_dense(case.equations)
        inside.append((solution.belief.mean - case.image.flatten()).abs() <= 2 * solution.belief.std)
        scales.append(noise_scale(solution.equations, solution.belief.mean, solution.rank))
    assert 0.93 < float(torch.cat(inside).double().mean()) < 0.98
    assert sum(scales) / 60 == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("systems", ["both", "gradient"])
def test_noise_stronger_than_told_widens_the_bars(network, systems):
    """Ten times the noise that was told, in both systems or in one alone: found out and allowed for."""
    quiet, loud = 1e-3, 1e-2
    output_std = loud if systems == "both" else quiet
    shares = []
    for seed in range(20):
        case = Case(network, LAYERS["plain"], output_std, loud, seed=seed)
        told = torch.full_like(case.belief.mean, quiet)
        arriving = Arriving(Belief.independent(case.belief.mean, told), case.delta.flatten(), torch.zeros_like(told))
        misled = solve_dense(convolution_equations(case.layer, SHAPE, arriving, case.gradient, quiet, PIXELS)).belief
        informed = solve_dense(case.equations).belief
        ratio = (misled.std / informed.std).mean()
        assert 0.6 < float(ratio) < 1.6
        shares.append(((misled.mean - case.image.flatten()).abs() <= 2 * misled.std).double().mean())
    assert 0.90 < sum(shares) / 20 < 0.99


def test_what_no_equation_reaches_keeps_the_prior(network):
    """A stride wider than the kernel leaves pixels unread: they stay at the centre, as unsure as before."""
    case = Case(network, {"kernel_size": 2, "stride": 3}, output_std=1e-3, gradient_std=1e-3)
    unread = (case.forward.abs().sum(0) + case.correlation.abs().sum(0)) == 0
    solution = solve_dense(case.equations)
    assert unread.any()
    assert torch.equal(solution.belief.mean[unread], torch.full_like(solution.belief.mean[unread], 0.5))
    torch.testing.assert_close(
        solution.belief.std[unread], torch.full_like(solution.belief.std[unread], 0.5), rtol=0.25, atol=0
    )
    assert solution.rank == int((~unread).sum())


def test_silent_units_say_nothing(network):
    """Zero precision and zero gradient, as below a ReLU that is not active: those equations do not count."""
    case = Case(network, LAYERS["plain"])
    silent = torch.zeros_like(case.belief.mean, dtype=torch.bool)
    silent[: len(silent) // 4] = True  # the whole first output channel
    arriving = Arriving(
        case.belief.before(case.belief.mean, (~silent).double()), case.delta.flatten() * ~silent, torch.zeros(1)
    )
    gradient = case.gradient.clone()
    gradient[0] = 0
    nothing = Arriving(arriving.belief, arriving.delta, torch.zeros_like(arriving.delta))
    equations = convolution_equations(case.layer, SHAPE, nothing, gradient, 0.0, PIXELS)
    assert equations.counts == (3 * len(case.forward) // 4, 3 * len(case.correlation) // 4)
    assert not equations.weights.reshape(4, -1)[0].any()
    assert float((solve_dense(equations).belief.mean - case.image.flatten()).abs().max()) < 1e-9


def test_an_unbounded_input_gets_its_prior_from_the_data(network):
    case = Case(network, LAYERS["plain"])
    arriving = Arriving(case.belief, case.delta.flatten(), torch.zeros_like(case.belief.mean))
    free = Range(-float("inf"), float("inf"), 0.0, None)
    equations = convolution_equations(case.layer, SHAPE, arriving, case.gradient, 0.0, free)
    spread = equations.prior_precision**-0.5
    assert 0.5 < spread / float(case.image.square().mean().sqrt()) < 30
    assert not equations.prior_mean.any()
    assert float((solve_dense(equations).belief.mean - case.image.flatten()).abs().max()) < 1e-9


def test_few_surplus_equations_do_not_lower_the_noise(network):
    case = Case(network, LAYERS["plain"], 1e-3, 1e-3)
    equations, x = case.equations, case.image.flatten()
    misfit, count = sum(equations.chi_squares(x)), sum(equations.counts)
    assert misfit == pytest.approx(count, rel=0.4)
    assert noise_scale(equations, x, count - 60.0) == pytest.approx(misfit / 60)
    assert noise_scale(equations, x, count - 5.0) == pytest.approx(misfit / 20)
    fit = solve_dense(equations).belief.mean
    assert noise_scale(equations, fit, count + 100.0) >= 1.0


def test_the_same_twice_and_nothing_changed(network):
    case = Case(network, LAYERS["stride"], output_std=1e-3, gradient_std=1e-3)
    state, before = torch.random.get_rng_state(), case.gradient.clone()
    first, second = solve_dense(case.equations), solve_dense(case.equations)
    assert torch.equal(first.belief.mean, second.belief.mean)
    assert torch.equal(first.belief.std, second.belief.std)
    assert torch.equal(case.gradient, before)
    assert torch.equal(torch.random.get_rng_state(), state)
