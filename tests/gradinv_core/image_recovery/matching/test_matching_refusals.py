"""Bad input: one clear error each, before any work is done."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label
from gradinv_core.errors import LabelError, NoExactRouteError, NonFiniteError, OptionError, ShapeError
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients

LABEL = torch.as_tensor(mixup_label(3, 5, 10, 0.65, 0.1))
SHAPE = (3, 8, 8)
GIVEN = MatchingOptions(iterations=2, label_mode="given")


def network(activation=None):
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), activation or nn.Tanh(), nn.Linear(16, 10, bias=False))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.1, 0.1, generator=generator)
    return model.eval()


def sent(model):
    return capture_gradients(model, torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)), LABEL)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "angle"}, "distance: expected one of cosine, l2, got 'angle'"),
        ({"optimizer": "sgd"}, "optimizer: expected one of adam, signed adam, lbfgs, got 'sgd'"),
        ({"label_mode": "true"}, "label_mode: expected one of recovered, given, hard, learned, got 'true'"),
        ({"terms": "fg"}, "terms: expected one of g, f, gf, got 'fg'"),
        ({"terms": ["g"]}, r"terms: expected one of g, f, gf, got \['g'\]"),
        ({"iterations": 0}, "iterations: expected a whole number from 1 to 100000, got 0"),
        ({"iterations": 1.5}, "iterations: expected a whole number from 1 to 100000, got 1.5"),
        ({"restarts": True}, "restarts: expected a whole number from 1 to 1000, got True"),
        ({"snapshots": 0}, "snapshots: expected a whole number from 1 to 10000, got 0"),
        ({"total_variation": -1}, "total_variation: expected a number of at least 0, got -1"),
        ({"feature_weight": float("nan")}, "feature_weight: expected a number of at least 0, got nan"),
        ({"learning_rate": 0}, "learning_rate: expected a number above 0, got 0"),
        ({"box": "yes"}, "box: expected True or False, got 'yes'"),
        ({"terms": "f", "label_mode": "learned"}, 'label_mode: .* with terms "f", got "learned"'),
        ({"terms": "f", "feature_weight": 0}, 'feature_weight: expected a number above 0 with terms "f"'),
    ],
)
def test_options_are_checked_when_they_are_chosen(options, message):
    with pytest.raises(OptionError, match=message):
        MatchingOptions(**options)


def test_gradients_must_fit_the_network():
    model = network()
    gradients = sent(model)
    cases = [
        (OptionError, "gradients: expected at least one entry, got none; there is nothing to search with", {}),
        (ShapeError, r"gradient 3\.weight: expected shape \(10, 16\), got \(2, 2\)", {"3.weight": torch.ones(2, 2)}),
        (ShapeError, r"gradient 3\.weight: expected shape \(10, 16\), got \(1,\)", {"3.weight": [1.0]}),
        (NonFiniteError, r"gradient 1\.bias: expected finite numbers", {"1.bias": torch.full((16,), torch.nan)}),
        (NoExactRouteError, "gradient: expected one that is not zero", {k: 0 * v for k, v in gradients.items()}),
    ]
    for error, message, change in cases:
        changed = change if error is OptionError else gradients | change
        with pytest.raises(error, match=message):
            match_gradients(model, changed, SHAPE, GIVEN, label=LABEL)


def test_labels_features_and_starts_are_checked():
    model = network()
    gradients = sent(model)
    for error, message, label in [
        (OptionError, 'label: expected one with label_mode "given", got None', None),
        (LabelError, "label: expected entries that sum to 1, got 0", torch.zeros(10)),
        (ShapeError, r"label: expected 10 entries, one per class, got shape \(9,\)", torch.full((9,), 1 / 9)),
        (NonFiniteError, "label: expected finite numbers", torch.full((10,), torch.nan)),
    ]:
        with pytest.raises(error, match=message):
            match_gradients(model, gradients, SHAPE, GIVEN, label=label)
    for error, message, feature in [
        (
            ShapeError,
            r"feature: expected 16 entries, as many as the last layer has inputs, got .*\(3,\)",
            torch.ones(3),
        ),
        (NonFiniteError, "feature: expected finite numbers", torch.full((16,), torch.inf)),
        (LabelError, "feature: expected one that is not zero", torch.zeros(16)),
    ]:
        with pytest.raises(error, match=message):
            match_gradients(model, gradients, SHAPE, replace(GIVEN, terms="gf"), label=LABEL, feature=feature)
    with pytest.raises(ShapeError, match=r"start: expected shape \(3, 8, 8\), got \(8, 8\)"):
        match_gradients(model, gradients, SHAPE, GIVEN, label=LABEL, start=torch.ones(8, 8))
    with pytest.raises(NonFiniteError, match="start: expected finite pixels"):
        match_gradients(model, gradients, SHAPE, GIVEN, label=LABEL, start=torch.full(SHAPE, torch.nan))


def test_networks_and_image_sizes_are_checked():
    model = network()
    gradients = sent(model)
    for shape in (192, (3, 8), (3, 8.0, 8), (0, 8, 8)):
        with pytest.raises(ShapeError, match=r"input_shape: expected \(channels, height, width\), all above 0"):
            match_gradients(model, gradients, shape, GIVEN, label=LABEL)
    with pytest.raises(ShapeError, match=r"input_shape: expected a size the network can take, got \(3, 9, 9\)"):
        match_gradients(model, gradients, (3, 9, 9), GIVEN, label=LABEL)
    with pytest.raises(OptionError, match="network: expected one with parameters, got Flatten without any"):
        match_gradients(nn.Flatten(), {}, SHAPE, GIVEN, label=LABEL)
    flat = nn.Sequential(nn.Linear(8, 8))
    with pytest.raises(ShapeError, match=r"network: expected logits of shape \(1, classes\), got \(1, 3, 8, 8\)"):
        match_gradients(flat, {"0.weight": torch.ones(8, 8), "0.bias": torch.ones(8)}, SHAPE, GIVEN, label=LABEL)
    broken = network()
    broken[1].weight.data[0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="network: expected finite weights, got NaN or infinity among them"):
        match_gradients(broken, gradients, SHAPE, GIVEN, label=LABEL)


def test_a_network_without_any_gradient_cannot_be_searched():
    dead = network(nn.ReLU())
    dead[1].bias.data.fill_(-100)  # no unit is ever active: every image has the gradient zero
    with pytest.raises(NonFiniteError, match="loss: expected a finite number at the start of the search"):
        match_gradients(dead, sent(network(nn.ReLU())), SHAPE, GIVEN, label=LABEL, seed=0)
