"""What a layer's output says of its input, against the product of explicit matrices."""

import pytest
import torch
from torch import nn

from gradinv_core.image_recovery.belief import Belief
from gradinv_core.image_recovery.convolution_matrix import output_matrix
from gradinv_core.image_recovery.gram import output_gram

LAYERS = {
    "stride": (nn.Conv2d(3, 4, 5, stride=2, padding=2), (3, 11, 9)),
    "one channel": (nn.Conv2d(1, 2, 3), (1, 12, 12)),
    "groups": (nn.Conv2d(4, 4, 3, padding=1, groups=2), (4, 5, 6)),
    "pixels that nothing reads": (nn.Conv2d(2, 2, 1, stride=3), (2, 8, 8)),
}


def belief_about(outputs, full):
    generator = torch.Generator().manual_seed(0)
    draw = torch.randn(outputs, outputs + 4, dtype=torch.float64, generator=generator)
    mean, std = draw[:, 0], draw[:, 1].abs() + 0.5
    belief = Belief(mean, draw @ draw.T / outputs, std) if full else Belief.independent(mean, std)
    return belief.with_common_factor(0.1).before(mean, draw[:, 2]).with_own_noise(std) if full else belief


@pytest.mark.parametrize("common", [0.0, 0.2])
@pytest.mark.parametrize("full", [True, False], ids=["full", "independent"])
@pytest.mark.parametrize(("layer", "shape"), LAYERS.values(), ids=LAYERS)
def test_the_gram_matrix_is_the_product(layer, shape, full, common):
    forward = output_matrix(layer, shape)
    belief = belief_about(forward.shape[0], full).sharing(common)
    dense = torch.from_numpy(forward.toarray())
    expected = dense.T @ belief.matrix() @ dense
    gram = output_gram(forward, belief, shape)
    torch.testing.assert_close(gram, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(gram, gram.T)
    single = output_gram(forward, belief, shape, torch.float32, unit=4.0)
    torch.testing.assert_close(4.0 * single.double(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    assert torch.equal(single, single.T)
