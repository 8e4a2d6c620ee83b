"""The network's plan: rows of the strip, boxes beside the film, and a bar that never stands still."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dashboard.components import Frame
from dashboard.figures import StripBlock, StripLayer
from dashboard.sections.story.layers import arranged
from dashboard.sections.story.plan import film_plan, on_plan, title_in_words
from dashboard.sections.story.progress import progress
from gradinv_core.architecture import Part
from gradinv_core.image_recovery import Step

PARTS = (
    Part("conv1", ("conv1",)),
    Part("layer1.0", ("layer1.0.conv1", "layer1.0.conv2"), ("layer1.0.downsample.0",)),
    Part("fc", ("fc",)),
)
NAMES = ("conv1", "layer1.0.downsample.0", "layer1.0.conv1", "layer1.0.conv2", "fc")
VALUE = torch.zeros(3)


def layer(name: str) -> StripLayer:
    return StripLayer(name, "convolution", 10, 20, "exact", 10)


def test_rows_are_blocks_in_the_networks_order():
    first, block, last = arranged(PARTS, {name: layer(name) for name in NAMES})
    assert isinstance(block, StripBlock)
    assert [each.name for each in (*block.layers, *block.skip)] == [*PARTS[1].layers, "layer1.0.downsample.0"]
    assert (first, last) == (layer("conv1"), layer("fc"))


def test_rows_without_parts_or_of_a_chain_are_layers():
    layers = {name: layer(name) for name in ("conv1", "fc")}
    assert arranged((), layers) == arranged(PARTS[::2], layers) == list(layers.values())


def test_every_frame_has_its_place_on_the_plan():
    assert [(part.title, part.skip) for part in film_plan(PARTS)] == [
        ("fc", False),
        ("layer1.0", True),
        ("conv1", False),
    ]
    assert film_plan(PARTS[::2]) == []
    steps = [
        Step("Last-layer feature", VALUE, layer="fc"),
        Step("Input of layer layer1.0.downsample.0", VALUE, layer="layer1.0.downsample.0"),
        Step("A picture the max pool allows", VALUE, iteration=3, loss=0.1),
        Step("Nowhere", VALUE),
    ]
    frames = on_plan([Frame("data:", step.title) for step in steps], steps, PARTS)
    assert [frame.part for frame in frames] == [0, 1, 2, -1]
    assert [frame.title for frame in frames] == [steps[0].title, "Input of layer 4 of 5", *(s.title for s in steps[2:])]
    assert "layer1.0.downsample.0" in frames[1].explanation
    assert not frames[0].explanation
    assert on_plan(frames[1:2], steps[1:2], ())[0].title == steps[1].title  # a network that nobody could follow
    together = title_in_words("Input of layers", ["layer1.0.downsample.0", "layer1.0.conv1"], PARTS)
    assert together == "Input of layers 2 and 4 of 5"


@pytest.mark.parametrize("pooled", [False, True])
def test_the_bar_goes_on_and_is_never_full(pooled):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2) if pooled else nn.ReLU(), nn.Flatten(), nn.Linear(4, 2))
    network = SimpleNamespace(model=model)
    walked = [Step("Input", VALUE, layer="0")] * 3
    searched = [Step("Picture", VALUE, iteration=number) for number in range(1, 200)]
    reports = [*walked, *searched] if pooled else walked
    shares = [progress(reports[:count], network, 0.5 * count) for count in range(len(reports) + 1)]
    assert shares == sorted(shares)
    within = [progress(walked[:1], network, seconds) for seconds in (0.0, 1.0, 10.0, 1000.0)]
    assert within == sorted(set(within))
    assert within[-1] < progress(walked[:2], network, 0.0)
    assert 0.5 < shares[-1] <= 0.95
