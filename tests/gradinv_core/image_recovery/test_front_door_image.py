"""The front door to image recovery: which route, why, and what is said about unusable requests."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image, recover_label
from gradinv_core.errors import NoExactRouteError, OptionError, RankError, ShapeError
from gradinv_core.head import observe_head
from gradinv_core.image_recovery import METHODS, ImageRecovery
from gradinv_core.metrics import psnr

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SHAPE = (3, 12, 12)
FEW = {"iterations": 4, "snapshots": 3, "seed": 0}


class Residual(nn.Module):
    """A block that is no chain."""

    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.Tanh())

    def forward(self, value):
        return value + self.inner(value)


@pytest.fixture
def chain(network):
    return network(nn.Conv2d(3, 12, 5, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(432, 10, bias=False))


class Written(nn.Module):
    """The same network as people write it: a class, functions, and pixels normalised on the way in."""

    def __init__(self, chain):
        super().__init__()
        self.conv, self.fc = chain[0], chain[3]

    def forward(self, picture):
        value = torch.tanh(self.conv((picture - 0.5) / 0.25))
        return nn.functional.log_softmax(self.fc(value.view(value.size(0), -1)), dim=1)


@pytest.fixture
def residual(network):
    body = nn.Conv2d(3, 4, 3, 2, 1), Residual(4), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    return network(*body, nn.Linear(16, 10, bias=False))


def test_methods_are_named():
    assert METHODS == ("auto", "analytic", "matching")


def test_auto_peels_what_is_a_chain(chain, picture):
    gradients = capture_gradients(chain, picture(), LABEL)
    auto, analytic = (reconstruct_image(chain, gradients, SHAPE, method=method) for method in ("auto", "analytic"))
    assert isinstance(auto, ImageRecovery)
    assert auto.method == analytic.method == "analytic"
    assert torch.equal(auto.image, analytic.image)
    assert (
        auto.reason
        == "Every layer has more equations than unknowns: linear algebra gives its input, down to the pixels."
    )
    assert auto.image.dtype == torch.float64
    assert auto.image.shape == auto.std.shape == SHAPE
    assert auto.label.status == "unique"
    torch.testing.assert_close(auto.soft_label, torch.as_tensor(LABEL).double(), rtol=0, atol=1e-4)
    assert auto.losses == ()
    assert not auto.stopped
    assert auto.seconds > sum(layer.seconds for layer in auto.layers)
    assert [step.title for step in auto.steps] == ["Last-layer feature", "Image"]
    assert torch.equal(auto.steps[-1].value, auto.image)


def test_a_class_with_a_forward_gives_the_picture_of_its_chain(chain, picture):
    as_class, image = Written(chain).eval(), picture()
    of_class = reconstruct_image(as_class, capture_gradients(as_class, image, LABEL), SHAPE, method="analytic")
    seen = {"mean": (0.5,) * 3, "std": (0.25,) * 3}
    of_chain = reconstruct_image(
        chain, capture_gradients(chain, image, LABEL, **seen), SHAPE, method="analytic", **seen
    )
    assert psnr(of_class.image, image) > 60
    torch.testing.assert_close(of_class.image, of_chain.image, rtol=0, atol=1e-6)
    assert [layer.name for layer in of_class.layers] == ["conv"]


def test_auto_matches_what_is_not_and_says_why(residual, picture):
    gradients = capture_gradients(residual, picture(), LABEL)
    recovery = reconstruct_image(residual, gradients, SHAPE, **FEW)
    assert recovery.method == "matching"
    assert recovery.reason.startswith(
        "No exact route to the image is known for this network yet: no layer reads the output of layer 1.inner.1 "
    )
    assert "Gradient matching: the image whose gradient comes closest to the observed one" in recovery.reason
    assert recovery.image.shape == SHAPE
    assert recovery.image.dtype == torch.float64
    assert recovery.std is None
    assert recovery.layers == ()
    assert len(recovery.losses) >= 1
    with pytest.raises(NoExactRouteError, match=r"no layer reads the output of layer 1\.inner\.1 \(Tanh\)"):
        reconstruct_image(residual, gradients, SHAPE, method="analytic")


def test_matching_is_at_hand_for_every_network(chain, picture):
    recovery = reconstruct_image(chain, capture_gradients(chain, picture(), LABEL), SHAPE, method="matching", **FEW)
    assert recovery.method == "matching"
    assert recovery.reason.startswith("Gradient matching: ")
    again = reconstruct_image(chain, capture_gradients(chain, picture(), LABEL), SHAPE, method="matching", **FEW)
    assert torch.equal(recovery.image, again.image)


def test_matching_goes_on_from_a_start(chain, picture):
    image = picture()
    gradients = capture_gradients(chain, image, LABEL)
    peeled = reconstruct_image(chain, gradients, SHAPE)
    options = {"iterations": 1, "learning_rate": 1e-9, "seed": 0}
    recovery = reconstruct_image(chain, gradients, SHAPE, method="matching", start=peeled.image, **options)
    assert psnr(recovery.image, image) > 80


def test_a_recovered_label_and_feature_may_be_handed_in(chain, picture):
    gradients = capture_gradients(chain, picture(), LABEL)
    view = observe_head(chain, gradients)
    answer = recover_label(view.weight, view.weight_grad)
    recovery = reconstruct_image(chain, gradients, SHAPE, label=answer.label, feature=answer.feature)
    assert recovery.label is None
    assert torch.equal(recovery.soft_label, answer.label)
    assert psnr(recovery.image, picture()) > 70
    as_arrays = reconstruct_image(chain, gradients, SHAPE, label=answer.label.numpy(), feature=answer.feature.tolist())
    assert torch.equal(as_arrays.image, recovery.image)


def test_a_stop_leaves_a_grey_picture_and_the_steps_so_far(chain, picture):
    told = []
    recovery = reconstruct_image(
        chain, capture_gradients(chain, picture(), LABEL), SHAPE, on_step=told.append, stop=lambda: True
    )
    assert recovery.stopped
    assert "stopped before the image was reached" in recovery.reason
    assert torch.equal(recovery.image, torch.full(SHAPE, 0.5, dtype=torch.float64))
    assert recovery.std is None
    assert [step.title for step in told] == [step.title for step in recovery.steps] == ["Last-layer feature"]


def test_unusable_requests_are_one_clear_error(chain, picture):
    gradients = capture_gradients(chain, picture(), LABEL)
    with pytest.raises(OptionError, match="method: expected one of auto, analytic, matching, got 'magic'"):
        reconstruct_image(chain, gradients, SHAPE, method="magic")
    with pytest.raises(OptionError, match=r"option: expected some of distance, .*, got speed, wings"):
        reconstruct_image(chain, gradients, SHAPE, wings=2, speed=1)
    with pytest.raises(OptionError, match="iterations: expected a whole number from 1"):
        reconstruct_image(chain, gradients, SHAPE, method="matching", iterations=0)
    for given in ({"label": LABEL}, {"feature": torch.ones(432)}):
        with pytest.raises(OptionError, match="label and feature: expected both or neither, got only one"):
            reconstruct_image(chain, gradients, SHAPE, method="analytic", **given)
    with pytest.raises(ShapeError, match="label and feature: expected 10 and 432 entries, got 10 and 431"):
        reconstruct_image(chain, gradients, SHAPE, label=LABEL, feature=torch.ones(431))
    with pytest.raises(RankError, match="a pair that does not multiply to the gradient of the last layer"):
        reconstruct_image(chain, gradients, SHAPE, label=LABEL, feature=torch.ones(432))
    with pytest.raises(ShapeError, match=r"expected \(channels, height, width\), all above 0, got \(3, 12\)"):
        reconstruct_image(chain, gradients, (3, 12))
    with pytest.raises(ShapeError, match=r"expected an image the network can take; layer 3 cannot take \(588,\)"):
        reconstruct_image(chain, gradients, (3, 14, 14))


@pytest.mark.parametrize("method", ["auto", "analytic"])
def test_a_gradient_that_vanished_says_so(chain, picture, method):
    gradients = capture_gradients(chain, picture(), LABEL)
    nothing = {name: torch.zeros_like(value) for name, value in gradients.items()}
    with pytest.raises(NoExactRouteError, match="gradient: expected one that is not zero"):
        reconstruct_image(chain, nothing, SHAPE, method=method)


def test_nobody_elses_randomness_is_used(chain, residual, picture):
    cases = [(model, capture_gradients(model, picture(), LABEL)) for model in (chain, residual)]
    state = torch.random.get_rng_state()
    for model, gradients in cases:
        copies = {name: value.clone() for name, value in gradients.items()}
        weights = {name: value.clone() for name, value in model.state_dict().items()}
        reconstruct_image(model, gradients, SHAPE, **FEW)
        assert all(torch.equal(gradients[name], value) for name, value in copies.items())
        assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_equations_that_cannot_be_factored_are_one_clear_error(network, picture, monkeypatch):
    model = network(nn.Flatten(), nn.Linear(432, 64), nn.Sigmoid(), nn.Linear(64, 10, bias=False))
    gradients = capture_gradients(model, picture(), LABEL)

    def fail(*_):
        raise torch.linalg.LinAlgError("not positive-definite")

    monkeypatch.setattr("gradinv_core.image_recovery.front_door.peel_image", fail)
    with pytest.raises(NoExactRouteError, match="too badly conditioned to be solved in float64; gradient matching"):
        reconstruct_image(model, gradients, (3, 12, 12), method="analytic")
