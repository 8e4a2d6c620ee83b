"""Networks peeled from the feature to the pixels, against the activations and the image that were there."""

import copy
import itertools

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.client import client_truth
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import NoExactRouteError, NonFiniteError, OptionError, RankError, ShapeError
from gradinv_core.image_recovery import layer_solver
from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.chain import network_chain
from gradinv_core.image_recovery.peel import peel
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SHAPE = (3, 12, 12)


def lenet_like(activation, bias=True):
    """LeNet at 12 x 12 pixels: two convolutions and the head."""
    first, second = nn.Conv2d(3, 12, 5, 2, 2), nn.Conv2d(12, 12, 5, 1, 2)
    return first, activation(), second, activation(), nn.Flatten(), nn.Linear(432, 10, bias=bias)


def inputs_of(model, picture):
    """{module name: (n,) its input}, by hooks, in float64."""
    seen, value = {}, picture.double()[None]
    for name, module in copy.deepcopy(model).double().named_children():
        seen[name] = value.detach().flatten()
        value = module(value)
    return seen


def peeled(model, picture, **options):
    """Peel with the true feature and residual, as exact as float32 makes them."""
    truth = client_truth(model, picture, LABEL)
    belief = Belief.independent(truth.feature, 1e-7 * truth.feature.abs() + 1e-9)
    gradients = options.pop("gradients", None) or capture_gradients(model, picture, LABEL)
    links = network_chain(model, tuple(picture.shape))
    return peel(links, gradients, belief, truth.probabilities - truth.label, options.pop("noise_std", 0.0), **options)


def inside(recovery, picture):
    return ((recovery.image - picture).abs() <= 2 * recovery.std).double().mean()


ACTIVATIONS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "leaky relu": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "softplus": nn.Softplus,
}


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_every_layers_input_comes_back(network, picture, activation):
    model, image = network(*lenet_like(activation, bias=False)), picture()
    found, seen = peeled(model, image), inputs_of(model, image)
    assert [step.layer for step in found.steps] == ["5", "2", "0"]
    assert [step.title for step in found.steps] == ["Last-layer feature", "Input of layer 2", "Image"]
    assert [tuple(step.value.shape) for step in found.steps] == [(432,), (12, 6, 6), SHAPE]
    for step in found.steps:
        torch.testing.assert_close(step.value.flatten(), seen[step.layer], rtol=0, atol=1e-5)
        assert step.std.shape == step.value.shape
    assert [layer.name for layer in found.layers] == ["2", "0"]
    assert [layer.leak for layer in found.layers] == ["exact", "exact"]
    assert [layer.kind for layer in found.layers] == [
        "convolution, 12 x 6 x 6 to 12 x 6 x 6",
        "convolution, 3 x 12 x 12 to 12 x 6 x 6",
    ]
    assert [layer.unknowns for layer in found.layers] == [432, 432]
    assert [layer.equations for layer in found.layers] == [432 + 3600, 432 + 900]
    assert all(layer.residual < 1e-5 and layer.error < 1e-5 and layer.seconds > 0 for layer in found.layers)


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=ACTIVATIONS)
def test_error_bars_hold_the_image(network, picture, activation):
    shares = []
    for seed in range(3):
        model, image = network(*lenet_like(activation), seed=seed), picture(seed=seed)
        recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), SHAPE)
        assert psnr(recovery.image, image) > 120
        shares.append(inside(recovery, image))
    assert min(shares) >= 0.85
    assert 0.90 <= sum(shares) / 3 <= 0.999


NETWORKS = {
    # name: (layers, least PSNR in dB)
    "relu": (lambda: lenet_like(nn.ReLU), 120),
    "one convolution": (lambda: (nn.Conv2d(3, 12, 5, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(432, 10)), 130),
    "groups and dilation": (
        lambda: (
            *(nn.Conv2d(3, 18, 3, padding="same", dilation=2), nn.Tanh(), nn.Conv2d(18, 36, 3, padding=1, groups=3)),
            *(nn.Tanh(), nn.Flatten(), nn.Linear(36 * 144, 10)),
        ),
        120,
    ),
    "batch norm": (
        lambda: (nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.Tanh(), nn.Flatten(), nn.Linear(2304, 10)),
        130,
    ),
    "pooling before the activation": (
        lambda: (nn.Conv2d(3, 16, 3, 1, 1), nn.AvgPool2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(576, 10)),
        110,
    ),
    "pooling after the activation": (
        lambda: (nn.Conv2d(3, 16, 3, 1, 1), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(576, 10)),
        80,
    ),
    "a fully connected layer between": (
        lambda: (
            *(nn.Conv2d(3, 12, 5, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(432, 64)),
            *(nn.Sigmoid(), nn.Dropout(0.3), nn.Linear(64, 10)),
        ),
        120,
    ),
    "no activation at all": (lambda: (nn.Conv2d(3, 12, 5, 2, 2), nn.Flatten(), nn.Linear(432, 10)), 120),
    "head only": (lambda: (nn.Flatten(), nn.Linear(432, 10)), 120),
}


@pytest.mark.parametrize(("layers", "least"), NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("bias", [True, False], ids=["head bias", "no head bias"])
def test_the_image_comes_back(network, picture, layers, least, bias):
    *body, head = layers()
    model = network(*body, nn.Linear(head.in_features, 10, bias=bias))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):  # as training leaves it behind
            generator = torch.Generator().manual_seed(3)
            module.running_mean.uniform_(-0.3, 0.3, generator=generator)
            module.running_var.uniform_(0.2, 2.0, generator=generator)
            module.weight.data.uniform_(-1.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
    image = picture()
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), SHAPE, method="analytic")
    assert psnr(recovery.image, image) > least
    assert recovery.std.shape == SHAPE


def test_a_network_in_float64_is_exact_to_float64(network, picture):
    model, image = network(*lenet_like(nn.Tanh), dtype=torch.float64), picture().double()
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), SHAPE)
    assert psnr(recovery.image, image) > 220


def test_lenet_sigmoid():
    model, (image, _) = build_network("lenet_sigmoid", 10, seed=0), load_dataset("photographs", 32)[1]
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), (3, 32, 32))
    assert psnr(recovery.image, image) > 90
    assert 0.85 <= inside(recovery, image) <= 1
    assert "more equations than unknowns" in recovery.reason


def test_lenet_relu_by_completion():
    model, (image, _) = build_network("lenet_relu", 10, seed=0), load_dataset("photographs", 32)[1]
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), (3, 32, 32), method="analytic")
    assert psnr(recovery.image, image) > 33
    last = recovery.layers[-1]
    assert last.completed
    assert last.leak == "almost"
    assert last.convergence[-1] < last.convergence[0]
    assert "The equations of layer 0 leave some directions open" in recovery.reason
    assert 0 <= float(recovery.image.min()) <= float(recovery.image.max()) <= 1


def test_too_few_equations_are_completed_and_owned_up_to(network):
    model = network(nn.Conv2d(3, 4, 4, 4), nn.Tanh(), nn.Flatten(), nn.Linear(36, 10))
    image = load_dataset("photographs", 12)[1][0]
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), SHAPE, method="analytic")
    layer = recovery.layers[-1]
    assert layer.completed
    assert layer.leak != "exact"
    assert layer.rank <= layer.equations < layer.unknowns
    assert layer.error > 1e-3
    assert psnr(recovery.image, image) > psnr(torch.full_like(image, float(image.mean())), image) + 3


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid])
def test_beyond_the_dense_limit_the_answer_is_the_same(network, picture, activation, monkeypatch):
    model, image = network(*lenet_like(activation)), picture()
    gradients = capture_gradients(model, image, LABEL)
    dense = reconstruct_image(model, gradients, SHAPE)
    monkeypatch.setattr(layer_solver, "DENSE_LIMIT", 100)
    iterative = reconstruct_image(model, gradients, SHAPE)
    assert not torch.equal(iterative.image, dense.image)
    assert psnr(iterative.image, image) > 120
    assert iterative.std is None  # errors of the layer above hang together, which bars would not hold
    assert "inputs, too many to be solved for at once" in iterative.why_no_std
    assert [layer.leak for layer in iterative.layers] == ["exact", "exact"]


def test_images_of_40_pixels_are_solved_without_their_matrix(network, picture):
    """More unknowns (4,800) than the dense solver takes, and fewer equations: the bars own up to it."""
    shape = (3, 40, 40)
    model, image = network(nn.Conv2d(3, 4, 8, 8), nn.Tanh(), nn.Flatten(), nn.Linear(100, 10)), picture(shape)
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), shape, method="analytic")
    layer = recovery.layers[-1]
    assert layer.unknowns > layer_solver.DENSE_LIMIT
    assert layer.rank <= layer.equations < layer.unknowns
    assert psnr(recovery.image, image) > 10.5  # a grey picture would have 10.8 dB
    assert 0.9 <= inside(recovery, image) <= 1


def qualities_under_noise(model, image):
    """PSNR at growing relative noise on every gradient, the same noise each time."""
    clean, generator = capture_gradients(model, image, LABEL), torch.Generator().manual_seed(0)
    noise = {name: torch.randn(value.shape, generator=generator) for name, value in clean.items()}
    for level in (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1):
        noisy = {name: value + level * value.square().mean().sqrt() * noise[name] for name, value in clean.items()}
        recovery = reconstruct_image(model, noisy, SHAPE, method="analytic")
        assert torch.isfinite(recovery.image).all()
        if recovery.std is None:  # lambda is too open for the picture to follow it, or the noise too large
            assert "no error bars are given" in recovery.reason or "No error bars: " in recovery.reason
        else:
            assert torch.isfinite(recovery.std).all()
        yield psnr(recovery.image, image)


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.Tanh], ids=lambda a: a.__name__)
def test_noise_is_a_slope_and_not_a_cliff(network, picture, activation):
    qualities = list(qualities_under_noise(network(*lenet_like(activation, bias=False)), picture()))
    assert all(later < earlier + 1 for earlier, later in itertools.pairwise(qualities)), qualities
    assert qualities[1] > 80
    assert qualities[3] > 40


def test_noise_on_a_relu_network_never_raises(network, picture):
    qualities = list(qualities_under_noise(network(*lenet_like(nn.ReLU, bias=False)), picture()))
    assert min(qualities[:3]) > 90
    assert min(qualities) > 5


def test_steps_are_told_as_they_come_and_a_stop_is_honoured(network, picture):
    model, image = network(*lenet_like(nn.Tanh)), picture()
    told, asked = [], []

    def stop():
        asked.append([step.title for step in told])
        return len(told) == 2

    found = peeled(model, image, on_step=told.append, stop=stop)
    assert asked == [["Last-layer feature"], ["Last-layer feature", "Input of layer 2"]]
    assert found.stopped
    assert list(found.steps) == told
    assert [layer.name for layer in found.layers] == ["2"]
    told.clear()
    assert not peeled(model, image, on_step=told.append).stopped
    assert [step.layer for step in told] == ["5", "2", "0"]


def test_the_same_twice_nothing_changed_no_randomness_drawn(network, picture):
    model, image = network(*lenet_like(nn.ReLU)).train(), picture()
    gradients = capture_gradients(model, image, LABEL)
    copies = {name: value.clone() for name, value in gradients.items()}
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    first, second = (reconstruct_image(model, gradients, SHAPE, method="analytic") for _ in range(2))
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.std, second.std)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(gradients[name], value) for name, value in copies.items())
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad], ids=lambda m: m.__name__)
def test_any_gradient_mode_will_do(network, picture, mode):
    model, image = network(*lenet_like(nn.Tanh)), picture()
    gradients = capture_gradients(model, image, LABEL)
    expected = reconstruct_image(model, gradients, SHAPE)
    with mode():
        recovery = reconstruct_image(model, gradients, SHAPE)
    assert torch.equal(recovery.image, expected.image)
    assert not recovery.image.requires_grad


def test_a_layer_left_open_makes_bars_wide_and_contradicts_nothing_below():
    """An honest gradient: layer 0 misses its own by 69 %, all of which what layer 2 leaves open explains."""
    generator = torch.Generator().manual_seed(6)

    def drawn(layer):
        layer.weight.data = torch.rand(layer.weight.shape, generator=generator) * 2 - 1
        layer.weight.data /= layer.weight[0].numel() ** 0.5
        return layer

    head = drawn(nn.Linear(36, 10, bias=False))
    first, second = (drawn(nn.Conv2d(channels, 4, 3, 2, 1, bias=False)) for channels in (3, 4))
    model = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Flatten(), head)
    picture = nn.functional.interpolate(torch.rand(1, 3, 4, 4, generator=generator), size=12, mode="bilinear")[0]
    recovery = reconstruct_image(model, capture_gradients(model, picture, torch.eye(10)[6]), SHAPE, method="analytic")
    assert recovery.layers[-1].residual > 0.5
    assert inside(recovery, picture) > 0.85


def test_gradients_that_do_not_fit_are_refused(network, picture):
    model, image = network(*lenet_like(nn.Tanh)), picture()
    gradients = capture_gradients(model, image, LABEL)

    def attempt(**changes):
        kept = {name: value for name, value in (gradients | changes).items() if value is not None}
        return peeled(model, image, gradients=kept)

    with pytest.raises(OptionError, match=r"gradients: expected an entry 2\.weight, got 0\.weight, 0\.bias, 2\.bias"):
        attempt(**{"2.weight": None})
    with pytest.raises(ShapeError, match=r"gradient 0\.weight: expected shape \(12, 3, 5, 5\), got \(12, 3, 3, 3\)"):
        attempt(**{"0.weight": torch.ones(12, 3, 3, 3)})
    for number in (torch.nan, torch.inf):
        broken = gradients["2.weight"].clone()
        broken[0, 0, 0, 0] = number
        with pytest.raises(NonFiniteError, match=r"gradient 2\.weight: expected finite numbers, got NaN or infinity"):
            attempt(**{"2.weight": broken})
    other = torch.randn(gradients["2.weight"].shape, generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        RankError, match=r"gradient 2\.weight: expected the product .* got one that differs from it by \d+%"
    ):
        attempt(**{"2.weight": other * gradients["2.weight"].std()})


def test_a_dead_layer_ends_the_way(network, picture):
    model = network(*lenet_like(nn.ReLU))
    with torch.no_grad():
        model[0].bias.fill_(-10.0)  # no unit of the first layer is active; the second lives from its bias
    with pytest.raises(NoExactRouteError, match="layer 0: expected at least one active unit, found none"):
        peeled(model, picture())


@pytest.mark.parametrize(("kind", "least"), [(torch.bfloat16, 55), (torch.float16, 70)], ids=str)
def test_gradients_in_16_bits_keep_their_contrast(network, picture, kind, least):
    """The rounding all entries share is no direction for smoothness to close."""
    model, image = network(*lenet_like(nn.Tanh)), picture()
    gradients = {name: value.to(kind) for name, value in capture_gradients(model, image, LABEL).items()}
    recovery = reconstruct_image(model, gradients, SHAPE, method="analytic")
    assert psnr(recovery.image, image) > least
    assert inside(recovery, image) > 0.9


@pytest.mark.parametrize(
    ("entry", "error", "message"),
    [
        (
            None,
            NoExactRouteError,
            "^the gradient of layer 2 was not sent, and the exact route needs that of",
        ),
        (
            [[0.0]],
            ShapeError,
            r"gradient 2\.weight: expected shape \(12, 12, 5, 5\), got \(1, 1\); gradient and",
        ),
        ("zero", ShapeError, r"gradient 2\.weight: expected a tensor, a numpy array or nested lists of .*, got str"),
    ],
    ids=["none", "list", "word"],
)
def test_a_gradient_that_is_missing_or_no_array_is_refused(network, picture, entry, error, message):
    model, image = network(*lenet_like(nn.Tanh)), picture()
    gradients = capture_gradients(model, image, LABEL) | {"2.weight": entry}
    with pytest.raises(error, match=message):
        reconstruct_image(model, gradients, SHAPE, method="analytic")
