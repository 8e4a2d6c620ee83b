"""Networks: reproducible by seed, shaped as the design says, and a head that is found by name."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from gradinv_core.client import capture_gradients
from gradinv_core.errors import ClassCountError, OptionError, ShapeError
from gradinv_core.head import find_head, observe_head
from gradinv_core.labels import smooth_label
from gradinv_core.networks import NETWORKS, build_network, scale_weights
from gradinv_core.residual_network import ResidualNetwork

LARGE = ("fcn4", "alexnet", "resnet34", "resnet50")
SMALL = [name for name in NETWORKS if not name.startswith(LARGE) and name != "resnet18_32"]  # resnet18, other pictures


def same_parameters(first: nn.Module, second: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_answers_with_finite_logits(name: str) -> None:
    model = build_network(name, 7)
    size = NETWORKS[name].image_size
    with torch.no_grad():
        logits = model(torch.full((1, 3, size, size), 0.5))
    assert logits.shape == (1, 7)
    assert bool(torch.isfinite(logits).all())
    assert not model.training


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("initialisation", ["pytorch", "uniform"])
def test_the_seed_decides_every_parameter(name: str, initialisation: str) -> None:
    def build(seed: int) -> nn.Module:
        return build_network(name, 5, initialisation=initialisation, seed=seed)

    assert same_parameters(build(3), build(3))
    assert not same_parameters(build(3), build(4))


@pytest.mark.parametrize("name", SMALL)
def test_building_leaves_the_global_random_state_alone(name: str) -> None:
    before = torch.get_rng_state()
    build_network(name, 5)
    assert torch.equal(before, torch.get_rng_state())


def test_pytorch_initialisation_fills_the_default_range() -> None:
    weight = build_network("fcn_small", 10).get_parameter("1.weight")
    bound = 3072**-0.5
    assert 0.99 * bound < float(weight.detach().abs().max()) <= bound
    assert float(weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.01)


def test_uniform_initialisation_reaches_every_parameter() -> None:
    model = build_network("resnet18", 10, initialisation="uniform")
    for name, parameter in model.named_parameters():
        largest = float(parameter.detach().abs().max())
        assert 0.4 < largest <= 0.5, name


def test_lenet_has_three_convolutions_of_twelve_channels_and_768_features() -> None:
    model = build_network("lenet_sigmoid", 10)
    convolutions = [layer for layer in model if isinstance(layer, nn.Conv2d)]  # type: ignore[attr-defined]
    assert [layer.stride for layer in convolutions] == [(2, 2), (2, 2), (1, 1)]
    assert {layer.out_channels for layer in convolutions} == {12}
    assert model.get_parameter("7.weight").shape == (10, 768)


def test_fully_connected_networks_are_free_of_bias() -> None:
    assert not any("bias" in name for name, _ in build_network("fcn_small", 10).named_parameters())
    assert [tuple(p.shape) for p in build_network("fcn4", 3).parameters()] == [
        (4096, 12288),
        (1024, 4096),
        (256, 1024),
        (3, 256),
    ]


@pytest.mark.parametrize(
    ("name", "head"), [("lenet_tanh", "7"), ("fcn_small", "5"), ("resnet18", "fc"), ("vit_small", "head")]
)
@pytest.mark.parametrize("head_bias", [False, True])
def test_the_head_is_found_by_name(name: str, head: str, head_bias: bool) -> None:
    model = build_network(name, 6, head_bias=head_bias)
    assert find_head(model) == head
    assert (f"{head}.bias" in dict(model.named_parameters())) is head_bias


def test_positions_and_class_token_of_a_transformer_are_drawn_small():
    model = build_network("vit_small", 10, seed=2)
    for name in ("pos_embed", "cls_token"):
        assert float(model.get_parameter(name).detach().std()) == pytest.approx(0.02, rel=0.2)
    assert torch.equal(model.get_parameter("norm.weight"), torch.ones(96))
    assert find_head(build_network("vit_small", 96)) == "head"  # as many classes as a token has numbers


def test_a_residual_network_of_full_width_is_torchvisions():
    ours, theirs = ResidualNetwork(10, head_bias=True, width=64).eval(), build_network("resnet18", 10, head_bias=True)
    ours.load_state_dict(theirs.state_dict())
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(pictures), theirs(pictures))


def test_the_catalogue_says_why_in_a_sentence():
    assert all(spec.why_it_leaks.endswith(".") and spec.description.endswith(".") for spec in NETWORKS.values())
    assert len({spec.title for spec in NETWORKS.values()}) == len(NETWORKS)


def test_alexnet_head() -> None:
    assert find_head(build_network("alexnet", 4)) == "classifier.6"


@pytest.mark.parametrize("head_bias", [False, True])
def test_observing_the_head(head_bias: bool) -> None:
    model = build_network("lenet_sigmoid", 10, head_bias=head_bias)
    gradients = capture_gradients(model, torch.rand(3, 32, 32), smooth_label(1, 10, 0.1))
    head = observe_head(model, gradients)
    assert torch.equal(head.weight, model.get_parameter("7.weight").detach())
    assert torch.equal(head.weight_grad, gradients["7.weight"])
    assert (head.bias is not None) is head_bias
    assert (head.bias_grad is not None) is head_bias


def test_the_order_of_the_gradients_does_not_matter() -> None:
    model = build_network("lenet_sigmoid", 10)
    gradients = capture_gradients(model, torch.rand(3, 32, 32), smooth_label(1, 10, 0.1))
    backwards = dict(reversed(gradients.items()))
    assert torch.equal(observe_head(model, backwards).weight_grad, gradients["7.weight"])


def test_a_bias_gradient_that_was_not_sent_is_none() -> None:
    model = build_network("fcn_small", 10, head_bias=True)
    head = observe_head(model, {"5.weight": torch.zeros(10, 48)})
    assert head.bias is not None
    assert head.bias_grad is None


def test_head_gradient_missing() -> None:
    with pytest.raises(
        OptionError, match=r"gradients: expected an entry 5\.weight for the last layer, got 1\.weight; send"
    ):
        observe_head(build_network("fcn_small", 10), {"1.weight": torch.zeros(64, 3072)})


def test_head_gradient_of_another_network() -> None:
    with pytest.raises(ShapeError, match=r"gradient 5.weight: expected shape \(10, 48\), got \(7, 48\); gradient and"):
        observe_head(build_network("fcn_small", 10), {"5.weight": torch.zeros(7, 48)})


@pytest.mark.parametrize("model", [nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 3, 1)), nn.Linear(2, 2)])
def test_network_without_a_named_head(model: nn.Module) -> None:
    with pytest.raises(OptionError, match=r"network: expected a fully connected last layer .*, found none in"):
        find_head(model)


def test_unknown_network() -> None:
    with pytest.raises(OptionError, match=r"network: expected one of fcn4, fcn_small, .*, got 'vgg'"):
        build_network("vgg", 10)


def test_unknown_initialisation() -> None:
    with pytest.raises(OptionError, match="initialisation: expected one of pytorch, uniform, got 'zeros'"):
        build_network("fcn_small", 10, initialisation="zeros")


@pytest.mark.parametrize("classes", [1, 0, -2, 100_001, 2.0, True])
def test_class_counts_out_of_range(classes: object) -> None:
    with pytest.raises(ClassCountError, match="classes: expected a whole number from 2 to 100000"):
        build_network("fcn_small", classes)  # type: ignore[arg-type]


def test_torchvision_built_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise RuntimeError(f"operator torchvision::nms does not exist\n(while importing {name})")

    monkeypatch.setattr("gradinv_core.torchvision_access.importlib.import_module", fail)
    with pytest.raises(OptionError, match=r"network resnet18 needs a torchvision built for torch .* is not \(operator"):
        build_network("resnet18", 10)
    build_network("lenet_relu", 10)  # the others do without


def test_torchvision_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(OptionError, match="network alexnet needs torchvision, which is not installed; pip install"):
        build_network("alexnet", 10)


def test_weights_can_be_scaled_apart_in_head_and_below():
    plain, scaled = (build_network("lenet_tanh", 10, head_bias=True, seed=1) for _ in range(2))
    scale_weights(scaled, head=3.0, hidden=0.5)
    before, after = dict(plain.named_parameters()), dict(scaled.named_parameters())
    head = find_head(plain)
    for name, value in before.items():
        layer, kind = name.rsplit(".", 1)
        factor = 3.0 if layer == head else 0.5 if kind == "weight" else 1.0
        torch.testing.assert_close(after[name], factor * value)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), "2"])
def test_a_factor_that_is_none_is_refused(factor):
    with pytest.raises(OptionError, match="hidden: expected a factor above 0"):
        scale_weights(build_network("fcn_small", 10), hidden=factor)
