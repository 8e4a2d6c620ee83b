"""A batch written as one wide sample, and its pictures as one tall picture: the same numbers, by another route."""

import torch
from torch import nn
from torch.nn import functional

from gradinv_core.batch_recovery.pictures.side_by_side import apart, side_by_side, wide_reader
from gradinv_core.batch_recovery.pictures.tall_stem import cut, stacked, tall_stem
from gradinv_core.image_recovery.graph.reader import reader_of
from gradinv_core.image_recovery.graph.stem import pooled_stem
from gradinv_core.image_recovery.picture_map import PictureMap
from gradinv_core.pixels import PixelSpace

torch.manual_seed(0)
LAYER = nn.Conv2d(3, 4, (5, 3), stride=(2, 1), padding=(2, 1)).double().requires_grad_(False)
INPUTS = torch.rand(3, 3, 7, 6, dtype=torch.float64)


def test_a_wide_reader_reads_every_sample_by_itself():
    reader = wide_reader(reader_of("layer", LAYER, (3, 7, 6)), 3)
    wide = side_by_side(INPUTS, 3)
    outputs = functional.conv2d(INPUTS, LAYER.weight, None, LAYER.stride, LAYER.padding)
    assert torch.allclose(apart(reader.push(wide), 3, outputs.shape[1:]), outputs)
    delta = torch.randn_like(outputs)
    rows = reader.rows(side_by_side(delta, 4))
    gradient = torch.nn.grad.conv2d_weight(INPUTS, LAYER.weight.shape, delta, LAYER.stride, LAYER.padding)
    assert torch.allclose((rows @ wide.T).transpose(1, 2), gradient.flatten(2))
    pulled = torch.nn.grad.conv2d_input(INPUTS.shape, LAYER.weight, delta, LAYER.stride, LAYER.padding)
    assert torch.allclose(apart(reader.pull(side_by_side(delta, 4)), 3, (3, 7, 6)), pulled)
    assert torch.equal(apart(wide, 3, (3, 7, 6)), INPUTS)


def test_a_tall_stem_pools_every_picture_by_itself():
    pool, seen = (
        nn.MaxPool2d(2),
        PictureMap(torch.full((126,), 2.0).double(), torch.full((126,), -1.0).double(), PixelSpace()),
    )
    fed = 2 * INPUTS - 1
    outputs = LAYER(fed)
    pooled = functional.max_pool2d(outputs, 2)
    gradient = torch.rand(4, 3, 15, dtype=torch.float64)
    known = torch.ones(4, 6, dtype=torch.bool)
    stems = [
        pooled_stem(
            LAYER,
            None,
            pool,
            seen,
            ((3, 7, 6), (4, 4, 6)),
            (each.flatten(1), torch.zeros(4, 6), known, torch.ones(4, 6).double()),
            gradient,
            "layer",
        )
        for each in pooled
    ]
    tall, pictures = tall_stem(stems), stacked(list(INPUTS), stems[0], 0.7)
    assert tall.misfit(tall.z(pictures)) < 1e-12
    assert tall.misfit(tall.z(stacked(list(INPUTS.flip(0)), stems[0]))) > 0.01
    assert torch.equal(cut(pictures, stems[0], 3), INPUTS)
    dz = torch.randn_like(outputs)
    wide = torch.zeros(4, *tall.size, dtype=torch.float64)
    for number, each in enumerate(dz):
        step = (tall.size[0] - 4) // 2
        wide[:, number * step : number * step + 4] = each
    whole = torch.nn.grad.conv2d_weight(fed, LAYER.weight.shape, dz, LAYER.stride, LAYER.padding)
    there = wide.flatten(1) @ tall.patches(tall.scale * pictures + tall.shift).T
    assert torch.allclose(there, whole.flatten(1))
