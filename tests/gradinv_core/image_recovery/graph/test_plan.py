"""What can be walked back through, and what is named where it cannot."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph import trace_network
from gradinv_core.image_recovery.graph.plan import plan_walk
from tests.gradinv_core.image_recovery.graph.written import Written

SHAPE = (3, 8, 8)


def conv(inputs=3, outputs=16, **options):
    return nn.Conv2d(inputs, outputs, 3, padding=options.pop("padding", 1), **options)


def head(inputs=16 * 64):
    return nn.Linear(inputs, 10)


def two_branches(net, picture):
    return net.head(torch.flatten(net.one(picture) + net.two(picture), 1))


def plan(model, name=None):
    return plan_walk(trace_network(model.eval(), SHAPE), name)


def test_a_stem_is_what_stands_right_behind_the_first_layer(residual):
    for stem, count, pooled in (("plain", 2, False), ("bare", 1, False), ("pooled", 3, True)):
        found = plan(residual(stem))
        assert found.nodes[found.first].name == "stem.0"
        assert len(found.stem) == count
        assert (found.pooled is not None) == pooled
        assert found.bottom == found.stem[-1]
        assert found.nodes[found.head].name == "head"


REFUSED = {
    "a max pool that says little": (
        nn.Sequential(conv(), nn.ReLU(), conv(16), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), head(64)),
        r"max pool 4 puts out 64 numbers, too few to guess",
    ),
    "ceil mode": (
        nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(4, ceil_mode=True), nn.Flatten(), head(64)),
        r"max pool 2 has ceil_mode",
    ),
    "groups below a pool": (
        nn.Sequential(conv(3, 15, groups=3), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), head(60)),
        r"layer 0, below a max pool, has several groups",
    ),
    "reflected padding": (
        nn.Sequential(conv(padding_mode="reflect", stride=4), nn.ReLU(), nn.Flatten(), head(64)),
        r"layer 0 pads with reflect",
    ),
    "too few equations": (
        nn.Sequential(conv(), nn.ReLU(), conv(16, 1), nn.ReLU(), nn.Flatten(), head(64)),
        r"gradient of layer 2 has 9 equations for the 64 unknowns",
    ),
    "depthwise": (
        nn.Sequential(conv(), nn.ReLU(), conv(16, groups=16, stride=4), nn.ReLU(), nn.Flatten(), head(64)),
        r"gradient of layer 2 has 9 equations for the 64 unknowns",
    ),
    "an average that hides positions": (
        nn.Sequential(conv(padding=0), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head(16)),
        r"an average over 6 x 6 positions stands behind layer 1 \(ReLU\)",
    ),
    "no rule": (
        nn.Sequential(conv(stride=4), nn.ReLU(), nn.LocalResponseNorm(2), nn.Flatten(), head(64)),
        r"layer 2 \(LocalResponseNorm\) has no rule",
    ),
    "no linear end": (nn.Sequential(conv(), nn.ReLU(), nn.Flatten(), head(), nn.Tanh()), "this one ends in layer 4"),
}


@pytest.mark.parametrize(("model", "message"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_rule_is_named(model, message):
    with pytest.raises(NoExactRouteError, match=message) as caught:
        plan(model)
    assert str(caught.value).endswith("Label and feature are recovered all the same.")


def test_branches_at_the_picture_are_refused():
    model = Written(
        lambda net, x: net.head(torch.flatten(net.one(x) + net.two(x), 1)),
        one=conv(stride=4),
        two=conv(stride=4),
        head=head(64),
    )
    with pytest.raises(NoExactRouteError, match=r"several operations read the picture \(one, two\)"):
        plan(model)


def test_an_activation_nobody_reads_is_named():
    def forward(net, x):
        first = functional.relu(net.one(x))
        return net.head(torch.flatten(functional.relu(net.two(first)) + first, 1))

    with pytest.raises(NoExactRouteError, match="no layer reads the output of layer relu_1"):
        plan(Written(forward, one=conv(stride=4), two=conv(16), head=nn.Sequential(nn.Tanh(), head(64))))


def test_shared_weights_are_named():
    shared = conv(16)
    model = nn.Sequential(conv(stride=4), nn.ReLU(), shared, nn.ReLU(), shared, nn.ReLU(), nn.Flatten(), head(64))
    with pytest.raises(NoExactRouteError, match="shares its weights"):
        plan(model)


def test_a_head_that_others_follow_is_named(residual):
    with pytest.raises(NoExactRouteError, match="layer head follows layer other"):
        plan(residual(), "other")


DEEP = nn.Sequential(conv(), nn.ReLU(), conv(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), head(256))


def test_a_max_pool_behind_an_inner_layer_is_walked_through():
    found = plan(DEEP)
    assert found.goal is None
    assert found.nodes[found.bottom].name == "1"


def beside_a_stride(outputs):
    """Two layers read one value: one with 9 equations for each output, one with 40 that see a quarter of its pixels."""

    def forward(net, x):
        read = functional.relu(net.first(x))
        return net.head(torch.flatten(functional.relu(torch.cat([net.one(read), net.two(read)], 1)), 1))

    strided, whole = nn.Conv2d(16, 40, 1, 2), conv(16, outputs, stride=2)
    return Written(forward, first=conv(), one=whole, two=strided, head=head((outputs + 40) * 16))


def test_pixels_that_one_layer_skips_may_be_left_to_another_that_has_equations_for_them():
    assert plan(beside_a_stride(6)).goal is None


ENDED = {  # where the walk ends, and why
    "too few equations below a max pool": (
        nn.Sequential(conv(), nn.ReLU(), conv(16, 7), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), head(112)),
        ("4", "the gradient of layer 2 has 63 equations for the 64 unknowns"),
    ),
    "no rule": (
        nn.Sequential(conv(), nn.ReLU(), nn.LocalResponseNorm(2), conv(16), nn.ReLU(), nn.Flatten(), head()),
        ("2", "layer 2 (LocalResponseNorm) has no rule"),
    ),
    "pixels that one layer skips and the other has too few equations for": (
        beside_a_stride(5),
        ("relu_1", "layer two skips pixels that layers one, two do not determine."),
    ),
    "branches at the picture": (
        Written(
            lambda net, x: net.head(torch.flatten(net.one(x) + net.two(x), 1)), one=conv(), two=conv(), head=head()
        ),
        ("add", "several operations read the picture (one, two)"),
    ),
}


@pytest.mark.parametrize(("model", "where"), ENDED.values(), ids=ENDED)
def test_where_enough_is_known_above_an_obstacle_the_walk_ends_there(model, where):
    found = plan(model)
    assert found.goal == found.bottom
    assert found.nodes[found.bottom].name == where[0]
    assert found.obstacle.startswith(where[1])
