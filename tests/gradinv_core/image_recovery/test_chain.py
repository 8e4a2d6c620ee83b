"""The network as a chain: what is taken apart, what is refused and in which words."""

import pytest
import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError, ShapeError
from gradinv_core.image_recovery.chain import check_shape, leaves_before_head, network_chain

SHAPE = (3, 8, 8)


def head(inputs=48):
    return nn.Linear(inputs, 10, bias=False)


def chain(*layers):
    return network_chain(nn.Sequential(*layers), SHAPE)


def test_links_carry_the_names_and_shapes_of_the_real_network():
    body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1, groups=3), nn.BatchNorm2d(6), nn.Tanh(), nn.Dropout(0.5))
    model = nn.Sequential(body, nn.Identity(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 16), nn.ELU(), head(16))
    links = network_chain(model, SHAPE)
    assert [link.name for link in links] == ["0.0", "0.1", "0.2", "2", "4", "5", "6"]
    assert all(link.module is model.get_submodule(link.name) for link in links)
    value = torch.rand(1, *SHAPE)
    for name, module in model.eval().named_modules():
        if not isinstance(module, nn.Sequential):
            after = module(value)
            for link in links:
                if link.name == name:
                    assert link.input_shape == tuple(value.shape[1:]) or isinstance(module, nn.Linear)
                    assert link.output_shape == tuple(after.shape[1:])
            value = after


def test_a_shared_activation_stands_as_often_as_it_is_used():
    shared = nn.Sigmoid()
    links = chain(nn.Conv2d(3, 3, 3), shared, nn.Conv2d(3, 3, 3), shared, nn.Flatten(), head())
    assert [link.module is shared for link in links] == [False, True, False, True, False]


def test_nothing_of_the_model_is_touched(network):
    model = network(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(), head(216)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    network_chain(model, SHAPE)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.device.type == "cpu" and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_networks_of_any_precision_are_measured(kind):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), head(36))
    assert [link.output_shape for link in network_chain(model.to(kind), SHAPE)][-2:] == [(4, 3, 3), (10,)]


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_any_gradient_mode_will_do(mode):
    with mode():
        assert len(chain(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Flatten(), head(144))) == 3


class OtherTanh(nn.Tanh):
    def forward(self, value):
        return super().forward(value) ** 3


class Residual(nn.Sequential):
    def forward(self, value):
        return value + super().forward(value)


class Written(nn.Module):
    """What most people write: a class with layers and functions."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = convolution(), head(192)

    def forward(self, picture):
        value = torch.sigmoid(self.conv((picture - 0.5) / 0.25))
        return nn.functional.log_softmax(self.fc(value.view(value.size(0), -1)), dim=1)


class Named(nn.Sequential):
    """A sequential network with a name of its own, and nothing else."""


def convolution(**options):
    return nn.Conv2d(3, 3, 3, padding=1, **options)


UNKNOWN = "no exact route to the image is known for this network"


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            (convolution(), nn.MaxPool2d(3, 1, 1)),
            f"^{UNKNOWN} yet: layer 1 is a MaxPool2d. Label and feature are recovered",
        ),
        ((convolution(), nn.ReLU6()), "layer 1 is a ReLU6"),
        ((convolution(), OtherTanh()), r"yet: pow_1 \(pow\) is an operation that no rule exists for"),
        (
            (nn.Sequential(convolution(), Residual(convolution())),),
            "yet: add takes something else than what runs before it, so there are branches",
        ),
        ((convolution(padding_mode="reflect"),), f"{UNKNOWN} yet: layer 0 pads with reflect instead of zeros"),
        ((convolution(), nn.AvgPool2d(3, ceil_mode=True)), "layer 1 pools with ceil_mode"),
        ((convolution(), nn.LeakyReLU(0.0)), "layer 1 has the negative slope 0, expected one above 0"),
        ((convolution(), nn.ELU(-1.0)), "layer 1 has the alpha -1, expected one above 0"),
        ((convolution(), nn.Softplus(threshold=2)), "layer 1 has beta 1 and threshold 2, expected them above 0"),
        ((convolution(), nn.BatchNorm2d(3, track_running_stats=False)), "batch norm 1 keeps no running statistics"),
        ((nn.BatchNorm2d(3), convolution()), "it begins with a BatchNorm2d, expected a layer with weights"),
        ((nn.AvgPool2d(1), convolution()), "it begins with a AvgPool2d, expected a layer with weights"),
        ((nn.Linear(8, 8), nn.Tanh()), r"linear layer 0 acts on the last axis of \(3, 8, 8\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_backwards_is_named(layers, message):
    with pytest.raises(NoExactRouteError, match=message):
        chain(*layers, nn.Flatten(), head(192))


def test_a_renamed_sequential_is_still_sequential():
    assert len(chain(Named(convolution(), nn.Tanh()), nn.Flatten(), head(192))) == 3


def test_shared_weights_are_refused():
    twice = convolution()
    with pytest.raises(NoExactRouteError, match="layer 2 shares its weights with another, so their gradients"):
        chain(twice, nn.Tanh(), twice, nn.Tanh(), nn.Flatten(), head(192))
    first, second = convolution(), convolution()
    second.weight = first.weight
    with pytest.raises(NoExactRouteError, match="layer 1 shares its weights with another"):
        chain(first, second, nn.Flatten(), head(192))


def test_a_class_with_a_forward_is_the_chain_it_runs():
    model = Written()
    links = network_chain(model, SHAPE)
    assert [type(link.module).__name__ for link in links] == ["AffineLine", "AffineLine", "Conv2d", "Sigmoid", "Linear"]
    assert (links[2].module, links[-1].module) == (model.conv, model.fc)
    assert [link.name for link in links[2:]] == ["conv", "sigmoid", "fc"]


def test_the_last_layer_must_give_the_logits():
    with pytest.raises(NoExactRouteError, match="found no linear layer at its end"):
        chain(convolution(), nn.Flatten())
    with pytest.raises(NoExactRouteError, match="found no linear layer at its end"):
        chain(nn.Flatten())
    with pytest.raises(NoExactRouteError, match=r"expected a network that ends in a linear layer.* ends in Softplus"):
        chain(nn.Flatten(), head(192), nn.Softplus())
    with pytest.raises(NoExactRouteError, match="its forward takes input1, input2"):
        network_chain(nn.Bilinear(3, 3, 3), SHAPE)


def test_images_that_do_not_fit_are_refused():
    model = nn.Sequential(convolution(), nn.Tanh(), nn.Flatten(), head(192))
    with pytest.raises(ShapeError, match=r"expected an image the network can take; layer 3 cannot take \(243,\)"):
        network_chain(model, (3, 9, 9))
    with pytest.raises(ShapeError, match=r"layer 0 cannot take \(1, 8, 8\), 64 entries"):
        network_chain(model, (1, 8, 8))
    with pytest.raises(ShapeError, match="layer 0 cannot take"):
        network_chain(nn.Sequential(nn.Conv2d(3, 3, 5), nn.Flatten(), head(3)), (3, 4, 4))


@pytest.mark.parametrize("shape", [192, "rgb", (3, 8), (3, 8, 8, 1), (3.0, 8.0, 8.0), (3, 0, 8), (True, 8, 8), None])
def test_a_shape_is_three_whole_numbers(shape):
    with pytest.raises(ShapeError, match=r"input_shape: expected \(channels, height, width\), all above 0, got"):
        check_shape(shape)


def test_a_shape_may_be_any_sequence():
    assert check_shape([3, 8, 8]) == check_shape(torch.Size(SHAPE)) == SHAPE


def test_pooling_beyond_memory_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4096, 10))
    assert len(network_chain(model, (3, 32, 32))) == 3
    model[-1] = nn.Linear(4352, 10)
    with pytest.raises(NoExactRouteError, match=r"fits into memory .* layer 1 pools 17,408 entries, expected at most"):
        network_chain(model, (3, 32, 34))


def test_shapes_are_found_without_touching_the_callers_module():
    """Another thread may be using it, so it must not even hold other weights for a moment."""
    model, seen = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), head(108)), []
    weight = model[0].weight
    model[1].register_forward_pre_hook(lambda *_: seen.append(model[1].weight.device.type))
    network_chain(model.train(), SHAPE)
    assert set(seen) == {"cpu"}
    assert model[0].weight is weight
    assert int(model[1].num_batches_tracked) == 0


class Reversed(nn.Sequential):
    """Not what its modules say."""

    def forward(self, value):
        return super().forward(value.flip(1))


def test_no_leaves_are_named_where_the_way_to_the_head_is_unknown():
    assert leaves_before_head(Reversed(nn.Sigmoid(), head()), "1") == []
    assert leaves_before_head(nn.Sequential(nn.Sigmoid(), Reversed(nn.Tanh(), head())), "1.1") == []
    assert [name for name, _ in leaves_before_head(nn.Sequential(nn.Sigmoid(), head()), "1")] == ["0"]
