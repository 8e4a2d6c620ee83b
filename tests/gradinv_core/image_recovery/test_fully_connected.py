"""Exact images from fully connected networks, against the image that was used."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image, recover_label
from gradinv_core.client import client_truth
from gradinv_core.errors import NoExactRouteError, NonFiniteError, OptionError, RankError, ShapeError
from gradinv_core.head import observe_head
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SHAPE = (3, 8, 8)


def image(seed=0, shape=SHAPE):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def network(activation, bias, seed=0):
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    inner = nn.Sequential(nn.Linear(96, 64, bias=bias), activation)
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 96, bias=bias), activation, inner, nn.Linear(64, 10, bias=False))
    torch.random.set_rng_state(torch_state)
    return model.eval()


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.LeakyReLU(0.1), nn.Sigmoid(), nn.Tanh()], ids=lambda a: type(a).__name__
)
def test_every_activation_gives_the_image_back(activation, bias):
    model, picture = network(activation, bias), image()
    recovery = reconstruct_image(model, capture_gradients(model, picture, LABEL), SHAPE)
    assert recovery.method == "analytic"
    assert psnr(recovery.image, picture) > 90
    assert recovery.label is not None
    assert recovery.label.status == "unique"


def test_steps_lead_from_the_feature_to_the_image():
    model, picture = network(nn.ReLU(), False), image()
    gradients, seen = capture_gradients(model, picture, LABEL), []
    recovery = reconstruct_image(model, gradients, SHAPE, on_step=seen.append)
    assert [tuple(step.value.shape) for step in recovery.steps] == [(64,), (96,), SHAPE]
    assert [step.title for step in seen[:2]] == [step.title for step in recovery.steps[:2]]
    assert torch.allclose(recovery.steps[1].value.float(), model[:3](picture[None])[0], atol=1e-5)
    assert [layer.name for layer in recovery.layers] == ["3.0", "1"]
    assert all(layer.residual < 1e-5 and layer.seconds > 0 for layer in recovery.layers)
    assert recovery.layers[-1].unknowns == 192


def test_label_and_feature_may_be_handed_in():
    model, picture = network(nn.ReLU(), True), image()
    gradients = capture_gradients(model, picture, LABEL)
    view = observe_head(model, gradients)
    answer = recover_label(view.weight, view.weight_grad)
    recovery = reconstruct_image(model, gradients, SHAPE, label=answer.label, feature=answer.feature)
    assert recovery.label is None
    assert psnr(recovery.image, picture) > 80


def test_the_papers_network_at_64_pixels():
    model, picture = build_network("fcn4", 10), image(shape=(3, 64, 64))
    recovery = reconstruct_image(model, capture_gradients(model, picture, LABEL), (3, 64, 64))
    assert psnr(recovery.image, picture) > 90


def test_noise_lowers_the_quality_instead_of_raising():
    model, picture = network(nn.ReLU(), False), image()
    clean = capture_gradients(model, picture, LABEL)
    generator, previous = torch.Generator().manual_seed(0), float("inf")
    for level in (0.0, 1e-5, 1e-3):
        noisy = {
            name: g + level * g.square().mean().sqrt() * torch.randn(g.shape, generator=generator)
            for name, g in clean.items()
        }
        quality = psnr(reconstruct_image(model, noisy, SHAPE).image, picture)
        assert quality < previous
        previous = quality
    assert previous > 15


def test_the_true_feature_is_recovered_on_the_way():
    model, picture = network(nn.Sigmoid(), True), image()
    recovery = reconstruct_image(model, capture_gradients(model, picture, LABEL), SHAPE)
    truth = client_truth(model, picture, LABEL)
    assert torch.allclose(recovery.steps[0].value, truth.feature, rtol=1e-4, atol=1e-5)


def test_networks_without_an_exact_route_say_so():
    inner = nn.GELU()
    model = network(inner, False)
    gradients = capture_gradients(model, image(), LABEL)
    with pytest.raises(NoExactRouteError, match=r"no exact route .* layer 2 \(GELU\) has no rule to be walked"):
        reconstruct_image(model, gradients, SHAPE, method="analytic")


def test_unusable_input_is_one_clear_error():
    model, picture = network(nn.ReLU(), False), image()
    gradients = capture_gradients(model, picture, LABEL)
    with pytest.raises(OptionError, match="method: expected one of auto, analytic, matching, got 'magic'"):
        reconstruct_image(model, gradients, SHAPE, method="magic")
    with pytest.raises(ShapeError, match=r"input_shape: expected .* layer 1 cannot take \(243,\), 243 entries"):
        reconstruct_image(model, gradients, (3, 9, 9))
    with pytest.raises(OptionError, match="label and feature: expected both or neither"):
        reconstruct_image(model, gradients, SHAPE, method="analytic", label=LABEL)
    with pytest.raises(ShapeError, match="label and feature: expected 10 and 64 entries, got 9 and 64"):
        reconstruct_image(model, gradients, SHAPE, label=LABEL[:9], feature=torch.ones(64))
    with pytest.raises(NoExactRouteError, match=r"^the gradient of layer 1 was not sent, and the exact route needs"):
        reconstruct_image(model, {k: v for k, v in gradients.items() if k != "1.weight"}, SHAPE, method="analytic")
    with pytest.raises(ShapeError, match=r"gradient 1\.weight: expected shape"):
        reconstruct_image(model, gradients | {"1.weight": torch.ones(3, 3)}, SHAPE)
    with pytest.raises(NoExactRouteError, match="gradient: expected one that is not zero"):
        reconstruct_image(model, {k: torch.zeros_like(v) for k, v in gradients.items()}, SHAPE)
    other = capture_gradients(model, image(9), LABEL)
    broken = gradients | {"1.weight": torch.randn_like(other["1.weight"])}
    with pytest.raises(RankError, match="expected the product of the recovered output gradient and one input"):
        reconstruct_image(model, broken, SHAPE, method="analytic")


def test_a_shared_activation_is_used_as_often_as_it_stands():
    shared, last = nn.Sigmoid(), nn.Linear(64, 10, bias=False)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(192, 96), shared, nn.Identity(), nn.Linear(96, 64), shared, last
    ).eval()
    recovery = reconstruct_image(model, capture_gradients(model, image(), LABEL), SHAPE)
    assert psnr(recovery.image, image()) > 90


def test_networks_the_route_does_not_fit_are_refused():
    head = nn.Linear(96, 10, bias=False)
    ends_in_tanh = nn.Sequential(nn.Flatten(), nn.Linear(192, 96), nn.Tanh(), head, nn.Tanh()).eval()
    with pytest.raises(NoExactRouteError, match=r"this one ends in layer 4 \(Tanh\)"):
        reconstruct_image(ends_in_tanh, capture_gradients(ends_in_tanh, image(), LABEL), SHAPE, method="analytic")
    twice, narrow = nn.Linear(64, 64), [nn.Flatten(), nn.Linear(192, 64), nn.Tanh()]
    tied = nn.Sequential(*narrow, twice, nn.Tanh(), twice, nn.Tanh(), nn.Linear(64, 10, bias=False)).eval()
    with pytest.raises(NoExactRouteError, match="layer 3 shares its weights with another"):
        reconstruct_image(tied, capture_gradients(tied, image(), LABEL), SHAPE, method="analytic")


def test_a_black_picture_ends_at_the_head():
    model = build_network("fcn_small", 10, head_bias=True)
    gradients = capture_gradients(model, torch.zeros(3, 32, 32), LABEL)
    with pytest.raises(NoExactRouteError, match="the last layer's input is zero"):
        reconstruct_image(model, gradients, (3, 32, 32), method="analytic")


def test_every_layers_gradient_is_checked():
    model = network(nn.ReLU(), False)
    gradients = capture_gradients(model, image(), LABEL)
    with pytest.raises(NonFiniteError, match=r"gradient 1\.weight: expected finite numbers"):
        reconstruct_image(model, gradients | {"1.weight": gradients["1.weight"] * torch.nan}, SHAPE)
    answer = reconstruct_image(model, gradients, SHAPE).label
    with pytest.raises(RankError, match="a pair that does not multiply to the gradient of the last layer"):
        reconstruct_image(model, gradients, SHAPE, label=answer.label, feature=2 * answer.feature)
    for shape in (192, (3.0, 8.0, 8.0), (-3, -8, 8)):
        with pytest.raises(ShapeError, match="input_shape: expected"):
            reconstruct_image(model, gradients, shape)
    tracked = {name: gradient.clone().requires_grad_(True) for name, gradient in gradients.items()}
    assert not reconstruct_image(model, tracked, SHAPE).image.requires_grad
