"""Updates of real optimisers: the label is right, or it is not called unique."""

import numpy as np
import pytest
import torch
from torch import nn

from gradinv_core import recover_from_update
from gradinv_core.errors import OptionError, RankError
from gradinv_core.head.structures import SharedClasses

DECAY = {"weight_decay": 1e-2}


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["hard", "smoothing", "mixup", "mixup+smoothing"])
@pytest.mark.parametrize(
    ("steps", "rule"), [(1, DECAY), (5, {}), (5, DECAY), (8, {"momentum": 0.5, "weight_decay": 5e-4})]
)
def test_a_head_that_trained_alone_is_followed_exactly(client, bias, kind, steps, rule):
    trained = client(steps, 0.05, bias=bias, kind=kind, seed=steps, **rule)
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=steps, **rule)
    assert (answer.status, answer.label_format, answer.condition) == ("unique", kind, "")
    assert trained.error(answer.label) < 1e-4
    assert torch.allclose(answer.feature, trained.feature, rtol=0, atol=1e-3)
    assert answer.window == ("bias" if bias else "label structure")
    ((low, high),) = answer.intervals
    assert low <= answer.scale <= high
    assert answer.feature_known


def test_twenty_steps_of_a_hundred_classes_with_a_bias(client):
    trained = client(20, 0.05, bias=True, classes=100)
    answer = recover_from_update(trained.before, trained.after.state_dict(), 0.05, steps=20)
    assert answer.status == "unique"
    assert trained.error(answer.label) < 1e-5


def test_twenty_steps_that_read_as_one_are_wrong_are_right_when_followed(client):
    trained = client(20, 0.05, body=True, frozen=("0.weight", "0.bias"))
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=20)
    assert answer.status == "unique"
    assert answer.message.startswith("Exactly one lambda makes the classes agree after 20 local steps")
    assert trained.error(answer.label) < 1e-5


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("claimed", [4, 6, 10])
def test_a_wrong_number_of_steps_is_never_unique(client, bias, claimed):
    for seed, gain in ((1, 0.1), (3, 4.0)):
        trained = client(5, 0.05, bias=bias, seed=seed, gain=gain, kind="mixup")
        answer = recover_from_update(trained.before, trained.after, 0.05, steps=claimed)
        assert answer.status == "ambiguous"
    assert f"explains {claimed} local steps" in answer.message
    assert answer.doubt == "no known format"
    assert answer.feature_known == bias  # the bias told lambda, however many steps there were


@pytest.mark.parametrize(("bias", "gain"), [(True, 0.0), (False, 0.01)])
def test_equal_predictions_cannot_show_the_number_of_steps(client, bias, gain):
    """A head that starts from zeros predicts all classes alike: five steps of one label look like six of another."""
    trained = client(5, 0.05, bias=bias, gain=gain, kind="mixup")
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=5)
    assert answer.status == "ambiguous"
    assert "if the client took exactly 5 local steps; the predictions are too much alike" in answer.message
    assert trained.error(answer.label) < 1e-4


def test_the_wrong_rate_or_decay_fits_no_label(client):
    trained = client(5, 0.05, **DECAY)
    for rate, decay in ((0.1, 1e-2), (0.05, 0.0)):
        answer = recover_from_update(trained.before, trained.after, rate, steps=5, weight_decay=decay)
        assert answer.status == "ambiguous"


@pytest.mark.parametrize("gain", [0.3, 1.0])
def test_a_decay_that_was_not_told_shows_outside_rank_one(client, gain):
    trained = client(5, 0.1, bias=True, gain=gain, weight_decay=1e-3)
    answer = recover_from_update(trained.before, trained.after, 0.1, steps=5)
    assert answer.status == "ambiguous"
    assert "outside rank one, more than the rounding of the weights leaves" in answer.message
    assert trained.error(answer.label) < 1e-2


def test_another_loss_fits_no_label(client):
    def focal(logits, label):
        probabilities = torch.softmax(logits, 1)
        return -(label * (1 - probabilities) ** 2 * probabilities.log()).sum()

    trained = client(5, 0.05, bias=True, loss=focal)
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=5)
    assert answer.status == "ambiguous"
    assert "or the loss is not plain cross-entropy" in answer.message


@pytest.mark.parametrize("classes", [2, 3, 4])
def test_few_classes_are_unique_under_a_named_condition(client, classes):
    trained = client(5, 0.05, classes=classes, bias=True, kind="hard")
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=5)
    assert answer.status == "unique"
    assert answer.condition.startswith("the client took exactly 5 plain SGD steps of this learning rate")
    assert trained.error(answer.label) < 1e-5


def test_few_classes_and_steps_that_overshoot_leave_the_label_open(client):
    """The logits jump past their goal, and other labels lead to the same end."""
    trained = client(5, 0.5, classes=3, bias=True, kind="hard")
    answer = recover_from_update(trained.before, trained.after, 0.5, steps=5)
    assert answer.status == "ambiguous"
    assert "steps this large may lead from several labels to one end" in answer.message
    assert answer.feature_known


def test_few_classes_without_a_bias_and_any_label_leave_a_range(client):
    few = client(5, 0.05, classes=3, kind="mixup")
    answer = recover_from_update(few.before, few.after, 0.05, steps=5)
    assert (answer.status, answer.window) == ("ambiguous", "simplex")
    many = client(2, 0.05, classes=6)
    answer = recover_from_update(many.before, many.after, 0.05, steps=2, label_format="any")
    assert (answer.status, answer.label_format) == ("ambiguous", "any")
    scale = recover_from_update(many.before, many.after, 0.05, steps=2).scale
    assert any(low <= scale <= high for low, high in answer.intervals)


def test_a_structure_of_ones_own_and_a_sign(client):
    trained = client(5, 0.05, kind="mixup")
    others = SharedClasses(tuple(range(2, 10)), value_is_zero=True)
    for options in ({"label_format": others}, {"nonnegative_feature": True}):
        answer = recover_from_update(trained.before, trained.after, 0.05, steps=5, **options)
        assert (answer.status, trained.error(answer.label) < 1e-5) == ("unique", True)


def test_a_frozen_bias_stays_where_it_is(client):
    trained = client(5, 0.05, bias=True, frozen=("0.bias",), **DECAY)
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=5, **DECAY)
    assert (answer.status, answer.window) == ("unique", "label structure")
    assert trained.error(answer.label) < 1e-4


def test_several_steps_of_the_whole_network_are_never_unique(client):
    trained = client(3, 0.05, body=True, bias=True)
    answer = recover_from_update(trained.before, trained.after, 0.05, steps=3)
    assert answer.status == "ambiguous"
    assert "trained along, so the 3 local steps saw 3 different features" in answer.message
    assert not answer.feature_known
    assert trained.error(answer.label) < 0.2


def test_many_large_steps_of_the_whole_network_are_refused(client):
    trained = client(2, 200.0, body=True, gain=4.0, seed=3)
    with pytest.raises(RankError, match="got 2 local steps of the whole network, which saw 2 different features"):
        recover_from_update(trained.before, trained.after, 200.0, steps=2)


def test_one_step_of_the_whole_network_is_its_gradient(client):
    trained = client(1, 0.05, body=True, **DECAY)
    for before in (None, trained.before.state_dict()):
        model = trained.before if before is None else client(1, seed=5, body=True).before
        answer = recover_from_update(model, trained.after, 0.05, before=before, **DECAY)
        assert (answer.status, trained.error(answer.label) < 1e-5) == ("unique", True)


def test_an_unknown_rate_is_an_unknown_scale(client):
    trained = client(1, 0.05, gain=4.0)
    answer = recover_from_update(trained.before, trained.after, None)
    assert (answer.status, trained.error(answer.label) < 1e-3) == ("unique", True)


def test_lost_changes_are_not_taken_for_gradients(client):
    """Rows that change by less than their rounding are silent, and said to be noisy."""
    trained = client(20, 1e-5, classes=20, gain=8.0, kind="hard")
    answer = recover_from_update(trained.before, trained.after, 1e-5, steps=20)
    assert answer.status == "ambiguous" or trained.error(answer.label) < 1e-3


@pytest.mark.parametrize(
    ("training", "options", "error", "message"),
    [
        (
            {"steps": 3},
            {"learning_rate": None, "steps": 3},
            OptionError,
            "the steps after the first depend on it; got None",
        ),
        ({"body": True, "frozen": ("2.weight",)}, {}, OptionError, "expected a weight 2.weight that training changed"),
        (
            {"body": True},
            {"head": "1"},
            OptionError,
            r"head: expected the name of a linear layer \(0, 2\), got '1'",
        ),
        ({}, {"confidence": 1.0}, OptionError, "confidence: expected a number between 0 and 1"),
        ({}, {"label_format": "soft"}, OptionError, "label_format: expected one of hard"),
    ],
)
def test_refusals(client, training, options, error, message):
    trained = client(**training)
    with pytest.raises(error, match=message):
        recover_from_update(trained.before, trained.after, **{"learning_rate": 0.05, **options})


def test_weight_and_bias_of_two_rules_are_refused(client):
    """A bias that was spared the decay."""
    trained = client(5, 0.05, bias=True, weight_decay=0.5, gain=4.0)
    spared = client(5, 0.05, bias=True, gain=4.0)
    sent = trained.after.state_dict() | {"0.bias": spared.after[0].bias.detach()}
    with pytest.raises(RankError, match="updates of the last layer's weight and bias by the same local steps"):
        recover_from_update(trained.before, sent, 0.05, steps=5, weight_decay=0.5)


def test_the_model_is_left_alone_and_numpy_will_do(client):
    trained = client(5, 0.05, bias=True)
    held = {name: weight.clone() for name, weight in trained.before.state_dict().items()}
    sent = {name: weight.numpy() for name, weight in trained.after.state_dict().items()}
    other = nn.Sequential(nn.Linear(64, 10))
    answer = recover_from_update(other, sent, 0.05, before=trained.before, steps=5)
    assert answer.status == "unique"
    assert all(torch.equal(weight, held[name]) for name, weight in trained.before.state_dict().items())
    assert np.isfinite(answer.seconds)
    assert answer.seconds > 0
