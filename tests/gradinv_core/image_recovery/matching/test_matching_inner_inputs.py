"""Exact inputs of fully connected layers with a bias, against what the network really saw."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label
from gradinv_core.head import find_head
from gradinv_core.image_recovery.matching.inner_inputs import KnownInput, known_inputs
from gradinv_core.image_recovery.matching.trial import trial_run
from gradinv_core.networks import build_network
from gradinv_core.twin import private_twin

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)


def picture(shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def read(model, gradients, shape, weight=1.0):
    sizes = trial_run(private_twin(model), shape).inputs
    return known_inputs(model, gradients, sizes, weight, feature=None, inner=True, head=find_head(model))


def seen_by(model, layer, image):
    kept = []
    handle = model.get_submodule(layer).register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0][0]))
    model(image[None])
    handle.remove()
    return kept[0].detach()


def test_alexnets_fully_connected_layers_give_their_inputs_away():
    model, image = build_network("alexnet", 10), picture((3, 64, 64))
    found = read(model, capture_gradients(model, image, LABEL), (3, 64, 64))
    assert [known.layer for known in found] == ["classifier.1", "classifier.4"]
    for known in found:
        seen = seen_by(model, known.layer, image)
        assert (known.value - seen).norm() < 1e-4 * seen.norm()
        assert not known.is_feature


class Tokens(nn.Module):
    """A layer that sees several inputs at once, as in a transformer."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(16, 16), nn.Linear(16, 10)

    def forward(self, batch):
        return self.head(torch.tanh(self.embed(batch.reshape(len(batch), -1, 16))).mean(1))


class Twice(nn.Module):
    """A layer that is used twice: its gradients arrive added up."""

    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(192, 192), nn.Linear(192, 10)

    def forward(self, batch):
        return self.head(torch.tanh(self.inner(torch.tanh(self.inner(batch.flatten(1))))))


@pytest.mark.parametrize("build", [Tokens, Twice])
def test_layers_with_more_than_one_input_are_left_alone(build):
    model = build().eval()
    gradients = capture_gradients(model, picture((3, 8, 8)), LABEL)
    assert read(model, gradients, (3, 8, 8)) == ()


def test_layers_without_a_bias_or_without_a_gradient_or_full_of_noise_are_left_alone():
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.Tanh(), nn.Linear(32, 10)).eval()
    gradients = capture_gradients(model, picture((3, 8, 8)), LABEL)
    assert [known.layer for known in read(model, gradients, (3, 8, 8))] == ["1"]
    assert read(model, gradients, (3, 8, 8), weight=0.0) == ()
    still = gradients | {"1.bias": torch.zeros(32), "1.weight": torch.zeros(32, 192)}
    assert read(model, still, (3, 8, 8)) == ()
    noise = torch.randn((32, 192), generator=torch.Generator().manual_seed(0)) * gradients["1.weight"].std()
    assert read(model, gradients | {"1.weight": gradients["1.weight"] + noise}, (3, 8, 8)) == ()
    tiny = {name: gradient.double() * 1e-30 for name, gradient in gradients.items()}
    assert torch.allclose(read(model, tiny, (3, 8, 8))[0].value, picture((3, 8, 8)).flatten(), atol=1e-4)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, 32, bias=False), nn.Tanh(), nn.Linear(32, 10)).eval()
    assert read(plain, capture_gradients(plain, picture((3, 8, 8)), LABEL), (3, 8, 8)) == ()


def test_the_term_is_a_relative_squared_distance_with_its_derivative():
    value, seen = picture((6,)).double(), picture((2, 3)).double().sqrt().requires_grad_(True)
    loss, slope = KnownInput("a", value, 0.3).misfit(seen.detach())
    expected = 0.3 * (seen.flatten() - value).square().sum() / value.square().sum()
    assert loss == pytest.approx(float(expected.detach()))
    assert torch.allclose(slope, torch.autograd.grad(expected, seen)[0])
