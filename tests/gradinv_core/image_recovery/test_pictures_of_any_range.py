"""Pictures normalised in any way: equally well recovered, said in the picture's own terms, and found out if untold."""

import pytest
import torch
from torch import nn
from torchvision.transforms import Normalize

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.errors import MisfitError, OptionError
from gradinv_core.image_recovery.affine import affine_line
from gradinv_core.image_recovery.chain import network_chain
from gradinv_core.metrics import psnr

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SHAPE = (3, 8, 8)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
UNEQUAL = {"mean": (0.1, 0.5, 0.9), "std": (0.1, 0.3, 1.0)}
FEW = {"iterations": 30, "snapshots": 3, "seed": 0, "method": "matching"}


class OwnNormalisation(nn.Module):
    """As users write it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, image):
        return (image - self.mean) / self.std


def lenet(network, activation):
    channels = 2 if activation is nn.ReLU else 6  # too few for a ReLU's silent half to leave nothing open
    return network(
        *(nn.Conv2d(3, channels, 5, 2, 2), activation(), nn.Conv2d(channels, 12, 5, 2, 2), activation()),
        *(nn.Flatten(), nn.Linear(48, 10, bias=False)),
    )


def smooth(seed=0):
    drawn = torch.rand(1, 3, 3, 3, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(drawn, size=8, mode="bilinear")[0]


def recover(model, image, **space):
    return reconstruct_image(model, capture_gradients(model, image, LABEL, **space), tuple(image.shape), **space)


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU], ids=lambda kind: kind.__name__)
def test_a_normalised_picture_is_recovered_as_itself(network, activation):
    """A ReLU's first layer is completed: bounds and smoothness are the picture's, whatever the deviations are."""
    model, image = lenet(network, activation), smooth()
    plain = recover(model, image)
    for space in ({"mean": MEAN, "std": STD}, UNEQUAL):
        told = recover(model, image, **space)
        assert told.layers[-1].completed is (activation is nn.ReLU)
        assert psnr(told.image, image) > min(psnr(plain.image, image), 100) - 3
        assert float(told.image.min()) >= 0
        assert float(told.image.max()) <= 1
        assert torch.equal(told.steps[-1].value, told.image)
        assert torch.equal(told.steps[-1].std, told.std)
        within = float(((told.image - image).abs() <= 2 * told.std).double().mean())
        assert within > (0.9 if activation is nn.Sigmoid else 0.4)  # total variation is too sure of such coarse blobs


@pytest.mark.parametrize("activation", [nn.Sigmoid, nn.ReLU], ids=lambda kind: kind.__name__)
def test_with_a_range_the_answer_lies_in_that_range(network, activation):
    model, image = lenet(network, activation), smooth()
    plain, told = recover(model, image), recover(model, 2 * image - 1, pixel_range=(-1, 1))
    assert psnr((told.image + 1) / 2, image) > min(psnr(plain.image, image), 100) - 3
    assert float(told.image.min()) >= -1
    assert float(told.image.min()) < 0
    assert bool((told.std <= 1).all())


def test_through_fully_connected_layers_too(network):
    model = network(nn.Flatten(), nn.Linear(192, 32, bias=False), nn.ReLU(), nn.Linear(32, 10, bias=False))
    assert psnr(recover(model, smooth(), mean=MEAN, std=STD).image, smooth()) > 100
    only_a_head = network(nn.Flatten(), nn.Linear(192, 10))
    told = recover(only_a_head, smooth(), mean=MEAN, std=STD)
    assert psnr(told.image, smooth()) > 100
    assert "Rank one proves one direction, not one sample: no layer below the head tests it" in told.reason


def test_the_search_knows_the_space(network):
    model, image = lenet(network, nn.Sigmoid), smooth()
    gradients = capture_gradients(model, image, LABEL, **UNEQUAL)
    steps = []
    found = reconstruct_image(model, gradients, SHAPE, **FEW, **UNEQUAL, on_step=steps.append)
    assert 0 <= float(found.image.min()) < float(found.image.max()) <= 1
    assert torch.equal(steps[-1].value, found.image)
    ranged = capture_gradients(model, 4 * image - 2, LABEL)
    found = reconstruct_image(model, ranged, SHAPE, **FEW, pixel_range=(-2, 2), optimizer="lbfgs", total_variation=0.0)
    assert -2 <= float(found.image.min()) < 0
    at_truth = {"iterations": 1, "learning_rate": 1e-9}
    kept = reconstruct_image(model, ranged, SHAPE, **FEW | at_truth, pixel_range=(-2, 2), start=4 * image - 2)
    torch.testing.assert_close(kept.image, (4 * image - 2).double(), atol=1e-5, rtol=0)
    assert kept.losses[0][1] < 0.02  # the total variation alone


def test_the_search_descends_by_shares(network):
    """The derivative of the whole objective, by finite differences in float64."""
    from gradinv_core.image_recovery.matching.autograd_route import AutogradRoute
    from gradinv_core.image_recovery.matching.distance import DISTANCE_FUNCTIONS
    from gradinv_core.image_recovery.matching.objective import Candidate, Objective
    from gradinv_core.image_recovery.matching.observed import observe_gradient
    from gradinv_core.pixels import pixel_space

    model, space = lenet(network, nn.Sigmoid).double(), pixel_space(**UNEQUAL, pixel_range=None, channels=3)
    observed = observe_gradient(model, capture_gradients(model, smooth(), LABEL, **UNEQUAL))
    objective = Objective(AutogradRoute(model, observed, LABEL, DISTANCE_FUNCTIONS["l2"], ()), 0.0, space)
    here, way = smooth(1).double(), torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)).double()
    ahead, behind = (objective(Candidate(here + step * way)).loss for step in (1e-6, -1e-6))
    slope = float((objective(Candidate(here)).image * way).sum())
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-4)
    assert objective(Candidate(smooth().double())).loss < 1e-20


@pytest.mark.parametrize("first", [Normalize(MEAN, STD), OwnNormalisation()], ids=["torchvision", "own"])
def test_a_normalisation_in_front_is_an_exact_link(network, first):
    model, image = nn.Sequential(first, *lenet(network, nn.Sigmoid)), smooth()
    recovery = recover(model, image)
    assert recovery.method == "analytic"
    assert psnr(recovery.image, image) > 80
    assert [link.name for link in network_chain(model, SHAPE)] == ["0", "1", "2", "3", "4", "6"]


@pytest.mark.parametrize(
    "module",
    [
        nn.Softmax(1),
        nn.Hardtanh(0, 1),
        nn.LocalResponseNorm(2),
        nn.Conv2d(3, 3, 1),
        nn.AvgPool2d(2),
    ],
    ids=lambda module: type(module).__name__,
)
def test_what_is_no_straight_line_is_not_taken_for_one(module):
    assert affine_line(module, SHAPE) is None


def test_a_straight_line_is_found_as_it_is():
    line = affine_line(Normalize(MEAN, STD), SHAPE)
    image = smooth()
    torch.testing.assert_close(line(image[None].double())[0].float(), Normalize(MEAN, STD)(image))


def test_pixels_that_leave_the_range_are_evidence_of_another(network):
    model, image = lenet(network, nn.Sigmoid), smooth()
    untold = reconstruct_image(model, capture_gradients(model, image, LABEL, mean=MEAN, std=STD), SHAPE)
    assert "% of the pixels lie outside [0, 1], from " in untold.reason
    assert "the client fed its network other values; mean and std, or another pixel_range, would turn" in untold.reason
    assert "outside" not in recover(model, image).reason


def test_a_misfit_of_bounds_blames_the_range_alone(network):
    model = network(nn.Conv2d(3, 2, 5, 2, 2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
    gradients = capture_gradients(model, smooth(), LABEL, mean=0.45, std=0.05)
    sentence = (
        r"gradient 0\.weight: expected the product .* It may be pixels outside \[0, 1\], which mean and std or "
        r"pixel_range would tell\. Gradient matching \(method='matching'\) needs no such product\."
    )
    with pytest.raises(MisfitError, match=sentence):
        reconstruct_image(model, gradients, SHAPE, method="analytic")
    searched = reconstruct_image(model, gradients, SHAPE, iterations=3, seed=0)
    assert searched.method == "matching"
    assert searched.reason.startswith("Gradient 0.weight: expected the product")
    assert "method='matching'" not in searched.reason


def test_the_options_are_checked_at_the_door(network):
    model = lenet(network, nn.Sigmoid)
    gradients = capture_gradients(model, smooth(), LABEL)
    with pytest.raises(OptionError, match="mean: expected one number or one for each of 3 channels"):
        reconstruct_image(model, gradients, SHAPE, mean=(0, 0), std=1)
