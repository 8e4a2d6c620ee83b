"""Networks of every style as graphs: run node by node, a graph gives the logits of the network it was taken from."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradinv_core.errors import NoExactRouteError, ShapeError
from gradinv_core.image_recovery.affine import AffineLine
from gradinv_core.image_recovery.graph import Add, Concatenate, Reshape, trace_network
from gradinv_core.networks import build_network
from tests.gradinv_core.image_recovery.graph.written import Written

SHAPE = (3, 8, 8)


class Block(nn.Module):
    """A residual block with a convolution on the short way."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1)
        self.short, self.norm, self.act = nn.Conv2d(3, 4, 1, 2), nn.BatchNorm2d(4), nn.ReLU(inplace=True)

    def forward(self, value):
        out = self.norm(self.second(self.act(self.first(value))))
        out += self.short(value)
        return self.act(out)


def conv():
    return nn.Conv2d(3, 3, 3, padding=1)


def head(inputs=192):
    return nn.Linear(inputs, 10)


def by_functions(net, picture):
    value = (picture - net.mean) / net.std
    value = functional.dropout(functional.relu(net.one(value)), 0.5, net.training)
    value = torch.tanh(net.two(value)).sigmoid()
    return functional.log_softmax(net.head(value.view(value.size(0), -1)), dim=1)


def with_constants(net):
    net.register_buffer("mean", torch.rand(3, 1, 1))
    net.register_buffer("std", torch.rand(3, 1, 1) + 0.5)
    return net


STYLES = {
    "functions": (
        lambda: with_constants(Written(by_functions, one=conv(), two=conv(), head=head())),
        [AffineLine, AffineLine, nn.Conv2d, nn.ReLU, nn.Conv2d, nn.Tanh, nn.Sigmoid, nn.Flatten, nn.Linear],
    ),
    "sums": (
        lambda: Written(lambda net, x: net.head(net.block(x).mean((2, 3))), block=Block(), head=head(4)),
        [
            *(nn.Conv2d, nn.ReLU, nn.Conv2d, nn.BatchNorm2d, nn.Conv2d, Add, nn.ReLU),
            nn.AvgPool2d,
            nn.Flatten,
            nn.Linear,
        ],
    ),
    "branches": (
        lambda: Written(
            lambda net, x: net.head(torch.flatten(torch.cat([net.one(x), net.two(x)], dim=1), 1)),
            one=conv(),
            two=conv(),
            head=head(384),
        ),
        [nn.Conv2d, nn.Conv2d, Concatenate, nn.Flatten, nn.Linear],
    ),
    "pools": (
        lambda: Written(
            lambda net, x: net.head(
                functional.adaptive_avg_pool2d(functional.avg_pool2d(functional.max_pool2d(net.one(x), 2), 2), 1)
                .squeeze(3)
                .squeeze(2)
            ),
            one=conv(),
            head=head(3),
        ),
        [nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.AvgPool2d, Reshape, nn.Flatten, nn.Linear],
    ),
    "shapes": (
        lambda: Written(
            lambda net, x: net.head(net.one(x.reshape(-1, 3, 8, 8)).view(-1, 3, 64).contiguous().flatten(1)),
            one=conv(),
            head=head(),
        ),
        [nn.Conv2d, Reshape, nn.Flatten, nn.Linear],
    ),
    "a module of logits": (
        lambda: nn.Sequential(conv(), nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten(), head(48), nn.LogSoftmax(1)),
        [nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.Linear],
    ),
}


def run(nodes, picture):
    """The last node's value."""
    values = [picture]
    for node in nodes[1:]:
        values.append(node.module(*(values[place].clone() for place in node.inputs)))
        assert tuple(values[-1].shape[1:]) == node.shape, node
    return values[-1]


@pytest.mark.parametrize("style", STYLES)
def test_a_graph_computes_what_the_network_computes(style):
    make, kinds = STYLES[style]
    torch.manual_seed(0)
    model = make().eval().double()
    nodes = trace_network(model, SHAPE)
    assert [type(node.module) for node in nodes[1:]] == kinds
    picture = torch.rand(1, *SHAPE, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(run(nodes, picture).softmax(1), model(picture).softmax(1))


def test_a_residual_network_keeps_the_names_of_its_own_modules():
    model = build_network("resnet18", 10)
    nodes = trace_network(model, (3, 32, 32))
    assert sum(isinstance(node.module, Add) for node in nodes) == 8
    assert all(node.module is model.get_submodule(node.name) for node in nodes if isinstance(node.module, nn.Conv2d))
    assert [type(node.module) for node in nodes[-2:]] == [nn.Flatten, nn.Linear]  # nothing is left to average at 32


def test_what_the_logits_do_not_hang_on_is_left_out():
    def forward(net, picture):
        net.idle(picture)
        return net.head(picture.flatten(1))

    nodes = trace_network(Written(forward, idle=conv(), head=head()), SHAPE)
    assert [type(node.module) for node in nodes] == [type(None), nn.Flatten, nn.Linear]


def test_the_network_is_left_as_it_is():
    model = nn.Sequential(conv(), nn.BatchNorm2d(3), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), head()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    trace_network(model, SHAPE)
    assert model.training
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def on_head(change):
    """A network that does something to its pictures first."""
    return Written(lambda net, picture: net.head(change(picture).flatten(1)), head=head())


UNREADABLE = {
    r"cannot be followed": on_head(lambda x: x if x.sum() > 0 else -x),
    r"pow_1 \(pow\) is an operation": on_head(lambda x: x**3),
    r"dropout \(dropout\) is an operation": on_head(lambda x: functional.dropout(x, 0.5)),
    r"add \(add\) is an operation": on_head(lambda x: x + x.mean((2, 3), keepdim=True)),
    r"view \(view\) mixes the pictures": on_head(lambda x: x.view(1, 3, -1, 8).repeat(1, 1, 1, 1).view(2, -1)),
    r"its forward takes input1, input2; expected one batch": nn.Bilinear(3, 3, 3),
    r"averages windows that overlap": Written(
        lambda net, x: net.head(functional.adaptive_avg_pool2d(x, 3).flatten(1)), head=head(27)
    ),
    r"returns something other": Written(lambda net, x: {"logits": net.head(x.flatten(1))}, head=head()),
}


@pytest.mark.parametrize("words", UNREADABLE)
def test_what_has_no_rule_is_named(words):
    with pytest.raises(NoExactRouteError, match=words):
        trace_network(UNREADABLE[words], SHAPE)


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"input_shape: expected an image the network can take, got \(3, 9, 8\)"):
        trace_network(nn.Sequential(conv(), nn.Flatten(), head()), (3, 9, 8))


def test_another_thread_may_run_its_network_meanwhile():
    other, seen = nn.Linear(2, 3), []

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 5)

        def forward(self, value):
            thread = threading.Thread(target=lambda: seen.append(other(torch.ones(1, 2))))
            thread.start()
            thread.join()
            return self.head(value.flatten(1))

    nodes = trace_network(Slow(), (1, 2, 2))
    assert [node.name for node in nodes] == ["value", "flatten", "head"]
    assert [type(value) for value in seen] == [torch.Tensor]
