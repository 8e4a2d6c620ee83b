"""Max pools behind inner layers, from gradient to picture: walked through where that is proven, else searched."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.errors import GradientInversionError
from gradinv_core.image_recovery.graph import picture_search
from gradinv_core.metrics import psnr
from tests.gradinv_core.image_recovery.graph.written import Written

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)


def vgg(*between):
    """Two convolutions and a max pool; the second has equations enough."""
    layers = (nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), *between)
    return nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 16, 10))


def mnist_example():
    """PyTorch's first example, small: the second convolution has too few equations."""

    def forward(net, picture):
        value = functional.relu(net.conv2(functional.relu(net.conv1(picture))))
        value = net.dropout(torch.flatten(functional.max_pool2d(value, 2), 1))
        return functional.log_softmax(net.fc2(functional.relu(net.fc1(value))), dim=1)

    modules = {"conv1": nn.Conv2d(1, 8, 3), "conv2": nn.Conv2d(8, 12, 3), "dropout": nn.Dropout(0.25)}
    return Written(forward, **modules, fc1=nn.Linear(12 * 25, 32), fc2=nn.Linear(32, 10))


@pytest.fixture
def short_search(monkeypatch):
    """Fewer rounds than usual."""
    monkeypatch.setattr(picture_search, "_ONWARDS", ((1e-1, 40), (1e-2, 60)))
    monkeypatch.setattr(picture_search, "_TO_THE_END", ())


@pytest.mark.parametrize("between", [(nn.BatchNorm2d(32), nn.ReLU()), (nn.Tanh(),)])
def test_winners_that_the_gradient_proves_let_the_walk_pass(filled, smooth_picture, between):
    model, image = filled(vgg(*between)), smooth_picture(8)
    seen = []
    found = reconstruct_image(
        model, capture_gradients(model, image, LABEL), image.shape, method="analytic", on_step=seen.append
    )
    assert psnr(found.image, image) > 60
    assert found.std is not None
    assert float(((found.image - image).abs() <= 2 * found.std).double().mean()) > 0.85
    assert [layer.name for layer in found.layers] == ["2", "0"]
    assert found.steps == tuple(seen)
    assert "search" not in found.reason


@pytest.mark.usefixtures("short_search")
def test_below_the_deepest_known_activation_a_search_takes_over_and_says_so(filled, smooth_picture):
    model, image = filled(mnist_example()), smooth_picture(14)[:1]
    gradients = capture_gradients(model, image, LABEL)
    del gradients["conv1.weight"], gradients["conv2.weight"]  # nobody asks for what lies below
    found = reconstruct_image(model, gradients, image.shape, method="analytic")
    assert psnr(found.image, image) > 18
    assert found.std is None
    assert "Below max_pool2d a search takes over: the gradient of layer conv2 has 108 equations" in found.reason
    assert "searched for" in found.why_no_std
    assert [layer.completed for layer in found.layers] == [False, True]
    assert found.layers[-1].rank == 0
    again = reconstruct_image(model, gradients, image.shape, method="analytic")
    assert torch.equal(again.image, found.image)


def test_a_search_can_be_stopped_with_the_best_so_far(filled, smooth_picture):
    model, image = filled(mnist_example()), smooth_picture(14)[:1]
    seen = []
    found = reconstruct_image(
        model,
        capture_gradients(model, image, LABEL),
        image.shape,
        method="analytic",
        on_step=seen.append,
        stop=lambda: len(seen) > 4,
    )
    assert found.stopped
    assert found.std is None
    assert psnr(found.image, image) > 10


@pytest.mark.usefixtures("short_search")
@pytest.mark.parametrize("seed", range(2))
def test_dropout_while_training_is_never_taken_for_a_sure_picture(filled, smooth_picture, seed):
    model, image = filled(mnist_example(), seed), smooth_picture(14, seed)[:1]
    model.train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loss = -(LABEL.float() * model(image[None].float())).sum()
        gradients = dict(
            zip(dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters())), strict=True)
        )
    model.eval()
    try:
        found = reconstruct_image(model, gradients, image.shape, method="analytic")
    except GradientInversionError:
        return
    assert found.std is None
