"""What is said of units that stay open: whether anything below depends on them."""

import torch
from torch import nn

from gradinv_core.image_recovery.graph.verdict import give_verdict
from gradinv_core.image_recovery.graph.walk import Misfit
from gradinv_core.image_recovery.judgement import Known
from gradinv_core.image_recovery.open_scale import Doubt
from gradinv_core.pixels import PixelSpace

PICTURE = torch.full((1, 4, 4), 0.5, dtype=torch.float64)
MISFITS = (Misfit("upper", 1e-7, 0, 64), Misfit("lower", 1e-7, 7, 64))


def verdict(deepest):
    known = Known(Doubt(0.0, False, 1.0, 1.0), None, 0.0, recovered=True)
    std = 0.01 * torch.ones_like(PICTURE)
    return give_verdict(nn.Identity(), PICTURE, std, MISFITS, [], "Stem.", "", known, PixelSpace(), deepest=deepest)


def test_open_units_that_the_picture_rests_on_are_an_objection():
    found = verdict(())
    assert "could not be settled everywhere: above layer lower (7 of 64 channels)" in found.reason
    assert found.std is None
    assert found.why_no_std == "No error bars: too many units' signs stay open for them."


def test_open_units_that_nothing_depends_on_are_said_to_be_that():
    found = verdict(["lower"])
    assert "stays open above layer lower (7 of 64 channels)" in found.reason
    assert "nothing else depends on it" in found.reason
    assert "could not be settled" not in found.reason
