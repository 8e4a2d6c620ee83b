"""From two states to a gradient: exact after one step of torch.optim.SGD, a known mean after several."""

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import gradient_from_update, recover_label
from gradinv_core.errors import NonFiniteError, OptionError, ShapeError


@pytest.mark.parametrize("rule", [{}, {"weight_decay": 5e-4}, {"weight_decay": 1e-2, "momentum": 0.9}], ids=str)
def test_one_step_is_the_gradient(client, rule):
    trained = client(1, 0.05, bias=True, body=True, dtype=torch.float64, **rule)
    found = gradient_from_update(trained.before.state_dict(), trained.after.state_dict(), 0.05, **rule)
    assert list(found) == list(trained.gradients[0])
    for name, gradient in trained.gradients[0].items():
        assert torch.allclose(found[name], gradient, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    "rule", [{}, {"weight_decay": 1e-2}, {"momentum": 0.9}, {"weight_decay": 1e-2, "momentum": 0.9}]
)
def test_several_steps_are_a_mean_with_the_shares_of_the_optimiser(client, rule):
    """The shares come from the optimiser itself: it is run on gradients that are one at one step and zero elsewhere."""
    steps, rate = 4, 0.1

    def end(start, pushes):
        weight = nn.Parameter(torch.tensor([start], dtype=torch.float64))
        optimiser = torch.optim.SGD([weight], lr=rate, **rule)
        for push in pushes:
            weight.grad = torch.tensor([push], dtype=torch.float64)
            optimiser.step()
        return weight.item()

    shares = [-end(0.0, [float(step == chosen) for step in range(steps)]) / rate for chosen in range(steps)]
    trained = client(steps, rate, bias=True, body=True, dtype=torch.float64, **rule)
    found = gradient_from_update(trained.before, trained.after, rate, steps=steps, **rule)
    for name in found:
        mean = sum(share * gradient[name] for share, gradient in zip(shares, trained.gradients, strict=True)) / sum(
            shares
        )
        assert torch.allclose(found[name], mean, rtol=0, atol=1e-12)


def test_float32_keeps_its_type_and_the_rounding_is_found(client):
    trained = client(1, 0.05, weight_decay=1e-2)
    found = gradient_from_update(trained.before, trained.after, 0.05, weight_decay=1e-2)["0.weight"]
    assert found.dtype == torch.float32
    answer = recover_label(trained.before[0].weight.detach(), found)
    assert answer.status == "unique"
    assert trained.error(answer.label) < 1e-5
    assert 1e-8 < answer.noise < 1e-5  # 2**-24 |weight| / rate, of a gradient of size 0.1


def test_an_unknown_rate_gives_the_difference(client):
    trained = client(1, 0.05)
    found = gradient_from_update(trained.before, trained.after, None)["0.weight"]
    assert torch.equal(found, trained.before[0].weight - trained.after[0].weight)
    answer = recover_label(trained.before[0].weight.detach(), found, gradient_scale="unknown")
    assert (answer.status, trained.error(answer.label) < 1e-3) == ("unique", True)


def test_what_did_not_train_did_not_decay(client):
    trained = client(1, 0.05, bias=True, body=True, frozen=("0.weight",), weight_decay=0.1)
    found = gradient_from_update(trained.before, trained.after, 0.05, weight_decay=0.1)
    assert not found["0.weight"].any()
    assert found["2.weight"].any()


def test_numpy_modules_and_running_statistics():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
    before = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network[0].weight.sub_(0.5)
        network[1].running_mean.add_(1)
    for states in ((before, network), (before, network.state_dict())):
        found = gradient_from_update(*states, 1.0)
        assert sorted(found) == ["0.bias", "0.weight", "1.bias", "1.weight"]
        assert torch.allclose(found["0.weight"], torch.full((4, 4), 0.5))


STATE = {"w": torch.ones(2, 3)}


@pytest.mark.parametrize(
    ("before", "after", "options", "error", "message"),
    [
        (
            STATE,
            {"v": torch.ones(2, 3)},
            {},
            OptionError,
            "after: expected the names of before, got w missing and v more",
        ),
        (STATE, {"w": torch.ones(3, 2)}, {}, ShapeError, r"after w: expected shape \(2, 3\) as before, got \(3, 2\)"),
        (
            STATE,
            STATE,
            {},
            OptionError,
            "expected weights that training changed, got those of before to the last digit",
        ),
        (
            STATE,
            {"w": torch.full((2, 3), torch.inf)},
            {},
            NonFiniteError,
            "after w: expected finite numbers, got NaN or",
        ),
        (STATE, {"w": [[1.0]]}, {}, ShapeError, "after w: expected a tensor or an array of real numbers, got list"),
        (
            STATE,
            [torch.ones(2)],
            {},
            OptionError,
            "after: expected a module or a mapping from names to arrays, got list",
        ),
        ({}, STATE, {}, OptionError, "before: expected at least one weight, got none"),
        (STATE, STATE, {"learning_rate": 0.0}, OptionError, "learning_rate: expected a number above 0, or None"),
        (STATE, STATE, {"learning_rate": True}, OptionError, "learning_rate: expected a number above 0, or None"),
        (STATE, STATE, {"steps": 0}, OptionError, "steps: expected a whole number from 1 to 10,000, got 0; .* try one"),
        (STATE, STATE, {"steps": 2.0}, OptionError, "steps: expected a whole number from 1 to 10,000, got 2.0"),
        (STATE, STATE, {"momentum": 1.0}, OptionError, "momentum: expected a number from 0 to below 1, got 1.0"),
        (STATE, STATE, {"weight_decay": -1.0}, OptionError, "weight_decay: expected a number >= 0, got -1.0"),
        (
            STATE,
            STATE,
            {"learning_rate": None, "weight_decay": 0.1},
            OptionError,
            "weight_decay: expected 0 where learn",
        ),
    ],
)
def test_refusals(before, after, options, error, message):
    with pytest.raises(error, match=message):
        gradient_from_update(before, after, **{"learning_rate": 0.1, **options})


def test_inputs_are_left_alone():
    before, after = {"w": np.ones(3)}, {"w": np.zeros(3)}
    gradient_from_update(before, after, 1.0)["w"].add_(5)
    assert (before["w"].tolist(), after["w"].tolist()) == ([1.0] * 3, [0.0] * 3)
