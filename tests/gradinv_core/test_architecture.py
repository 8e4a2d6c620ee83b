"""The parts of a network: layers in the order they run, blocks with their skips."""

import pytest
import torch
from torch import nn

from gradinv_core.architecture import Part, network_parts
from gradinv_core.networks import build_network


def test_a_residual_network_is_a_stem_eight_blocks_and_a_head():
    parts = network_parts(build_network("resnet18_half", 10))
    assert [part.name for part in parts] == [
        "conv1",
        *(f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)),
        "fc",
    ]
    assert parts[1] == Part("layer1.0", ("layer1.0.conv1", "layer1.0.conv2"), ())
    assert parts[3].skip == ("layer2.0.downsample.0",)
    assert parts[0].skip is parts[-1].skip is None


def test_a_transformers_block_has_two_skips():
    first, attention, linear, *_, last = network_parts(build_network("vit_small", 10))
    assert (first.name, last.name) == ("patch_embed", "head")
    assert attention.layers == ("blocks.0.attention.qkv", "blocks.0.attention.proj")
    assert linear == Part("blocks.0.mlp", ("blocks.0.mlp.0", "blocks.0.mlp.2"), ())


@pytest.mark.parametrize("name", ["lenet_tanh", "mnist_example"])
def test_a_chain_is_its_layers(name):
    parts = network_parts(build_network(name, 10))
    assert len(parts) == 4
    assert all(part.layers == (part.name,) and part.skip is None for part in parts)


class Nested(nn.Module):
    """A skip within a skip, and a sum with numbers of its own, which is none."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.shift = nn.Parameter(torch.zeros(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x + self.outer(torch.add(x, self.inner(x)) + self.shift))


def test_of_nested_blocks_a_layer_stands_in_the_innermost():
    parts = network_parts(Nested())
    assert parts == (Part("inner", ("inner",), ()), Part("outer", ("outer",), ()), Part("head", ("head",)))


class Undecided(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x) if x.sum() > 0 else self.head(-x)


def test_a_forward_that_cannot_be_followed_has_no_parts():
    assert network_parts(Undecided()) == ()
