"""Grouped, dilated and 1x1 convolutions, from gradient to picture."""

import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.metrics import psnr
from tests.gradinv_core.image_recovery.graph.written import Written

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)


def branched(inner, size):
    """A stem, a layer with a short way around it, and the head."""

    def forward(net, picture):
        first = net.act1(net.stem(picture))
        return net.head(torch.flatten(net.act2(net.inner(first) + first), 1))

    stem, acts = nn.Conv2d(3, 32, 3, padding=1), {"act1": nn.ReLU(), "act2": nn.ReLU()}
    return Written(forward, stem=stem, inner=inner, **acts, head=nn.Linear(32 * size**2, 10))


def recovered(model, image):
    found = reconstruct_image(model, capture_gradients(model, image, LABEL), image.shape, method="analytic")
    return psnr(found.image, image), found


def test_groups_of_channels_are_solved_apart(filled, picture):
    image = picture((3, 8, 8))
    assert recovered(filled(branched(nn.Conv2d(32, 32, 3, padding=1, groups=2), 8)), image)[0] > 80


def test_a_dilated_kernel_reads_further_apart(filled, picture):
    image = picture((3, 8, 8))
    assert recovered(filled(branched(nn.Conv2d(32, 32, 3, padding=2, dilation=2), 8)), image)[0] > 80


def test_a_short_cut_helps_where_a_1x1_convolution_has_hardly_enough_equations(filled, picture):
    inner = nn.Sequential(
        *(nn.Conv2d(32, 16, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 1, bias=False), nn.BatchNorm2d(32)),
    )
    image = picture((3, 4, 4))
    decibels, found = recovered(filled(branched(inner, 4)), image)
    assert decibels > 60
    assert found.std is None
    assert "hardly an equation to spare" in found.why_no_std
    assert "exactly" not in found.reason
