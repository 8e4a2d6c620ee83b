"""What is said of units that stay open: whether anything below depends on them."""

import torch
from torch import nn

from gradinv_core.image_recovery.graph.account import Misfit
from gradinv_core.image_recovery.graph.verdict import give_verdict
from gradinv_core.image_recovery.judgement import Known
from gradinv_core.image_recovery.open_scale import Doubt
from gradinv_core.pixels import PixelSpace

PICTURE = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
MISFITS = (Misfit("upper", 1e-7, 0, 64), Misfit("lower", 1e-7, 7, 64))


def verdict(deepest, misfits=MISFITS):
    known = Known(Doubt(0.0, False, 1.0, 1.0), None, 0.0, recovered=True)
    std = 0.01 * torch.ones_like(PICTURE)
    return give_verdict(nn.Identity(), PICTURE, std, misfits, [], "Stem.", "", known, PixelSpace(), deepest=deepest)


def test_open_units_that_the_picture_rests_on_are_an_objection():
    found = verdict(())
    assert "in layer lower (7 of 64 channels). What lies below rests on the channels that fit." in found.reason
    assert found.std is None
    assert found.why_no_std == "No error bars: too many units' signs stay open for them."


def test_open_units_that_nothing_depends_on_are_said_to_be_that():
    found = verdict(["lower"])
    assert "nothing else depends on these units" in found.reason
    assert "rests on" not in found.reason


def test_open_units_above_layers_that_fit_are_said_to_matter_little():
    found = verdict(["lower"], (Misfit("upper", 1e-7, 3, 128), Misfit("lower", 4e-7, 0, 64)))
    assert "in layer upper (3 of 128 channels). The layers below fit all the same, to 4e-07." in found.reason
