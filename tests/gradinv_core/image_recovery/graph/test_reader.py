"""What taps read, against PyTorch's own convolutions."""

import pytest
import torch
from torch import nn

from gradinv_core.errors import NoExactRouteError
from gradinv_core.image_recovery.graph.reader import read_gradient, reader_of

LAYERS = {
    "plain": (nn.Conv2d(3, 4, 3, padding=1), (3, 5, 6)),
    "stride": (nn.Conv2d(3, 4, 3, 2, 1), (3, 6, 6)),
    "dilation": (nn.Conv2d(3, 4, 3, padding=2, dilation=2), (3, 6, 6)),
    "groups": (nn.Conv2d(4, 6, 3, padding=1, groups=2), (4, 5, 5)),
    "same": (nn.Conv2d(3, 4, (2, 4), padding="same"), (3, 5, 5)),
    "one by one": (nn.Conv2d(3, 4, 1, 2), (3, 5, 5)),
    "linear": (nn.Linear(7, 4), (7,)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_maps_are_those_of_the_layer(layer, shape):
    layer = layer.double()
    reader = reader_of("layer", layer, shape)
    value = torch.randn(1, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    output = layer(value)
    delta = torch.randn(output.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    of_value, of_weight = torch.autograd.grad(output, [value, layer.weight], delta)
    flat, at_output = value.detach().reshape(shape[0], -1), delta.reshape(len(layer.weight), -1)
    torch.testing.assert_close(reader.pull(at_output).reshape(shape), of_value[0])
    each, rows = reader.channels // reader.groups, reader.rows(at_output)
    size = reader.outputs // reader.groups
    for group in range(reader.groups):
        mine = slice(group * size, (group + 1) * size)
        found = rows[mine] @ flat[group * each : (group + 1) * each].T
        torch.testing.assert_close(found.transpose(1, 2), of_weight[mine].reshape(size, each, -1))
    gathered = reader.patches(flat).reshape(reader.groups, each, *reader.taps.shape)
    for group in range(reader.groups):
        mine = slice(group * size, (group + 1) * size)
        found = torch.einsum("op,itp->oit", at_output[mine], gathered[group])
        torch.testing.assert_close(found, of_weight[mine].reshape(size, each, -1))


def test_taps_that_read_padding_alone_are_told():
    reader = reader_of("layer", nn.Conv2d(1, 1, 3, padding=1), (1, 1, 1))
    assert reader.seen.tolist() == [place == 4 for place in range(9)]


def test_a_gradient_that_was_not_sent_is_named():
    with pytest.raises(NoExactRouteError, match="gradient of layer one was not sent"):
        read_gradient({}, "one", nn.Linear(2, 3))
