"""What stands between two layers, read backwards: against a forward pass and autograd's gradients."""

import pytest
import torch
from torch import nn

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import network_chain
from gradinv_core.image_recovery.convolution_matrix import pooling_matrix
from gradinv_core.image_recovery.read_back import Arriving, guess_matters, read_back

SHAPE = (2, 6, 4)
STD = 1e-6


def batch_norm(affine=True):
    module = nn.BatchNorm2d(2, affine=affine).double()
    with torch.no_grad():
        module.running_mean.copy_(torch.tensor([0.3, -0.2]))
        module.running_var.copy_(torch.tensor([0.5, 2.0]))
        if affine:
            module.weight.copy_(torch.tensor([1.5, -0.7]))
            module.bias.copy_(torch.tensor([0.1, 0.4]))
    return module.eval()


def links_between(*modules):
    """Links of these modules alone, cut out of a network around them."""
    outside = nn.Sequential(nn.Conv2d(2, 2, 1), *modules, nn.Flatten()).double().eval()
    width = outside(torch.zeros(1, *SHAPE, dtype=torch.float64)).shape[1]
    return network_chain(nn.Sequential(*outside, nn.Linear(width, 3).double()), SHAPE)[1:-1]


def passed_through(modules, seed=0):
    """An input, what becomes of it, and the gradients of a random loss at both ends."""
    generator = torch.Generator().manual_seed(seed)
    before = torch.randn(1, *SHAPE, dtype=torch.float64, generator=generator).requires_grad_(True)
    after = nn.Sequential(*modules)(before)
    delta = torch.randn(after.shape, dtype=torch.float64, generator=generator)
    (below,) = torch.autograd.grad(after, before, delta)
    return before.detach().flatten(), after.detach().flatten(), delta.flatten(), below.flatten()


def arriving_at(after, delta, delta_std=1e-8, std=STD):
    return Arriving(Belief.independent(after, torch.full_like(after, std)), delta, torch.full_like(delta, delta_std))


STRAIGHT = {
    "sigmoid": (nn.Sigmoid(),),
    "tanh": (nn.Tanh(),),
    "leaky relu": (nn.LeakyReLU(0.2),),
    "elu": (nn.ELU(0.7),),
    "softplus": (nn.Softplus(2.0),),
    "batch norm": (batch_norm(),),
    "batch norm without weights": (batch_norm(affine=False),),
    "batch norm, then tanh": (batch_norm(), nn.Tanh()),
    "sigmoid, then batch norm": (nn.Sigmoid(), batch_norm()),
    "two activations": (nn.Tanh(), nn.Sigmoid()),
    "nothing": (),
}


@pytest.mark.parametrize("modules", STRAIGHT.values(), ids=STRAIGHT)
def test_value_and_gradient_come_back(modules):
    before, after, delta, below = passed_through(modules)
    back = read_back(links_between(*modules), arriving_at(after, delta), rounding=0.0)
    torch.testing.assert_close(back.belief.mean, before, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(back.delta, below, rtol=1e-7, atol=1e-9)
    assert back.silent is None


@pytest.mark.parametrize("modules", STRAIGHT.values(), ids=STRAIGHT)
def test_errors_grow_as_finite_differences_say(modules):
    """Perturb the output within its error: value and gradient must move by about their reported deviations."""
    _, after, delta, _ = passed_through(modules)
    links, generator = links_between(*modules), torch.Generator().manual_seed(1)
    clean = read_back(links, arriving_at(after, delta), rounding=0.0)
    values, gradients = [], []
    for _ in range(200):
        shift, blur = (torch.randn(len(after), dtype=torch.float64, generator=generator) for _ in range(2))
        moved = read_back(links, arriving_at(after + STD * shift, delta + 1e-8 * blur), rounding=0.0)
        values.append(moved.belief.mean - clean.belief.mean)
        gradients.append(moved.delta - clean.delta)
    for moves, told in ((values, clean.belief.std), (gradients, clean.delta_std)):
        seen = torch.stack(moves).square().mean(0).sqrt()
        ratio = told / seen
        assert float((ratio - 1).abs().max()) < 0.3
    torch.testing.assert_close(clean.belief.precision, clean.belief.std**-2)


def test_rounding_blurs_the_gradient():
    """By something between a rounding's standard deviation and its bound, in proportion to the entry."""
    _, after, delta, below = passed_through((nn.Tanh(),))
    links = links_between(nn.Tanh())
    blurs = [read_back(links, arriving_at(after, delta, 0.0, 1e-15), scale).delta_std for scale in (1e-3, 2e-3)]
    shares = blurs[0] / (1e-3 * below.abs())
    assert float(shares.min()) > 0.25
    assert float(shares.max()) <= 1 + 1e-6
    torch.testing.assert_close(shares, shares[:1].expand(len(shares)), rtol=1e-4, atol=0)
    torch.testing.assert_close(blurs[1], 2 * blurs[0], rtol=1e-6, atol=0)


def test_a_relu_tells_the_active_and_bounds_the_rest():
    before, after, delta, below = passed_through((nn.ReLU(),))
    back = read_back(links_between(nn.ReLU()), arriving_at(after, delta), rounding=0.0)
    active = before > 0
    torch.testing.assert_close(back.belief.mean[active], before[active])
    torch.testing.assert_close(back.delta, below)
    assert torch.equal(back.silent, ~active)
    assert not back.belief.diagonal[~active].any()


POOLS = {
    "halves": nn.AvgPool2d(2),
    "overlapping": nn.AvgPool2d(3, 1),
    "padded": nn.AvgPool2d(2, padding=1),
    "padding not counted": nn.AvgPool2d(2, padding=1, count_include_pad=False),
    "leaves a row over": nn.AvgPool2d((4, 2)),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_pooling_hands_down_its_gradient_and_keeps_its_averages(pool):
    before, after, delta, below = passed_through((pool,))
    arriving = arriving_at(after, delta)
    back = read_back(links_between(pool), arriving, rounding=0.0)
    torch.testing.assert_close(back.delta, below)
    matrix = torch.from_numpy(pooling_matrix(pool, SHAPE).toarray())
    torch.testing.assert_close(back.belief.precision, matrix.T @ torch.diag(arriving.belief.precision) @ matrix)
    assert back.silent is None
    known = read_back(links_between(pool), arriving, rounding=0.0, guess=before)
    torch.testing.assert_close(known.belief.mean, before)
    if pool.stride == pool.kernel_size and not pool.padding:
        torch.testing.assert_close(matrix @ back.belief.mean, after)
    torch.testing.assert_close(back.delta_std, ((matrix.T**2) @ arriving.delta_std**2).sqrt())


@pytest.mark.parametrize("modules", [(nn.Tanh(), nn.AvgPool2d(2)), (nn.Sigmoid(), batch_norm(), nn.AvgPool2d(2))])
def test_an_activation_before_pooling_is_read_around_the_guess(modules):
    before, after, delta, below = passed_through(modules)
    back = read_back(links_between(*modules), arriving_at(after, delta), rounding=0.0, guess=before)
    torch.testing.assert_close(back.belief.mean, before, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(back.delta, below, rtol=1e-7, atol=1e-9)
    blind = read_back(links_between(*modules), arriving_at(after, delta), rounding=0.0)
    assert float((blind.delta - below).abs().max()) > 1e-3


def test_an_activation_after_pooling_needs_no_guess():
    modules = (nn.AvgPool2d(2), nn.Tanh())
    _, after, delta, below = passed_through(modules)
    torch.testing.assert_close(read_back(links_between(*modules), arriving_at(after, delta), 0.0).delta, below)


def test_when_a_guess_matters():
    assert guess_matters(links_between(nn.Tanh(), nn.AvgPool2d(2)))
    assert guess_matters(links_between(nn.ReLU(), batch_norm(), nn.AvgPool2d(2)))
    assert not guess_matters(links_between(nn.AvgPool2d(2), nn.Tanh()))
    assert not guess_matters(links_between(batch_norm(), nn.AvgPool2d(2)))
    assert not guess_matters(links_between(nn.Tanh()))
    assert not guess_matters([])


def test_a_batch_norm_that_scales_by_zero_says_nothing():
    module = batch_norm()
    with torch.no_grad():
        module.weight[1] = 0.0
    _, after, delta, below = passed_through((module,))
    back = read_back(links_between(module), arriving_at(after, delta), rounding=0.0)
    assert torch.isfinite(back.belief.mean).all()
    assert not back.belief.diagonal[24:].any()
    torch.testing.assert_close(back.delta, below)


def test_batch_norm_of_vectors():
    module = nn.BatchNorm1d(48).double().eval()
    torch.nn.init.uniform_(module.running_mean, generator=torch.Generator().manual_seed(0))
    value = torch.randn(1, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    links = links_between(nn.Flatten(), module)
    back = read_back(links, arriving_at(module(value).detach().flatten(), torch.ones(48).double()), rounding=0.0)
    torch.testing.assert_close(back.belief.mean, value.flatten())


def test_nothing_is_changed_on_the_way():
    modules = (nn.Tanh(), batch_norm(), nn.AvgPool2d(2))
    before, after, delta, _ = passed_through(modules)
    copies, state = [part.clone() for part in (before, after, delta)], modules[1].state_dict()
    state = {name: value.clone() for name, value in state.items()}
    links = links_between(*modules)
    first, second = (read_back(links, arriving_at(after, delta), 1e-7, before) for _ in range(2))
    assert torch.equal(first.belief.mean, second.belief.mean)
    assert all(torch.equal(*pair) for pair in zip((before, after, delta), copies, strict=True))
    assert all(torch.equal(value, state[name]) for name, value in modules[1].state_dict().items())


def test_an_activation_that_works_in_place_leaves_the_guess_alone():
    links = links_between(nn.ReLU(inplace=True), nn.AvgPool2d(2))
    guess = torch.linspace(-1, 1, 48, dtype=torch.float64)
    kept = guess.clone()
    read_back(links, arriving_at(torch.ones(12).double(), torch.ones(12).double()), 1e-7, guess)
    assert torch.equal(guess, kept)
