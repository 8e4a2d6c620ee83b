"""Batches through the front door: what is recovered, what is refused, and that "unique" is never wrong."""

import numpy as np
import pytest
import torch
from drawn_batches import draw_batch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradinv_core import recover_batch, recover_label
from gradinv_core.batch_recovery import Obstacle
from gradinv_core.errors import ClassCountError, NonFiniteError, OptionError, ShapeError
from gradinv_core.losses import training_loss


@pytest.mark.parametrize(("samples", "classes"), [(2, 10), (4, 10), (8, 10), (8, 100)])
def test_every_label_and_feature_of_a_batch_comes_back(samples, classes):
    batch = draw_batch(samples, classes)
    answers = recover_batch(batch.weight, batch.weight_grad, seed=0)
    assert (len(answers), answers.unique, answers.samples) == (samples, samples, samples)
    assert answers.obstacle is Obstacle.NONE
    assert batch.errors(answers).max() < 1e-5
    nearest = np.abs(answers.features.numpy()[:, None] - batch.features[None]).max(2).min(0)
    assert nearest.max() < 1e-4 * np.abs(batch.features).max()
    assert all(evidence.proven and evidence.spare > 50 for evidence in answers.evidence)


def test_a_batch_of_one_is_what_the_single_recovery_says():
    batch = draw_batch(1)
    (answer,) = recover_batch(batch.weight, batch.weight_grad)
    single = recover_label(batch.weight, batch.weight_grad)
    assert answer.status == single.status == "unique"
    assert torch.allclose(answer.label, single.label, atol=1e-6)


def test_a_batch_of_one_may_have_entries_that_nearly_vanish():
    """As behind a trained network's average, where hardly anything is left of some channels."""
    features = np.maximum(np.random.default_rng(4).standard_normal((1, 256)), 0)
    features[0, :60] = np.geomspace(1e-9, 1e-3, 60)
    batch = draw_batch(1, features=features)
    answers = recover_batch(batch.weight, batch.weight_grad)
    assert (len(answers), answers.unique) == (1, 1)
    assert batch.errors(answers).max() < 1e-5


def test_a_bias_gradient_gives_labels_without_structure():
    labels = np.random.default_rng(5).dirichlet(np.ones(10), 4)
    batch = draw_batch(4, labels=labels, biased=True)
    answers = recover_batch(
        batch.weight, batch.weight_grad, batch.bias, batch.bias_grad, label_format="any", samples=4, seed=0
    )
    assert batch.errors(answers).max() < 1e-5
    assert all(answer.window == "bias" and answer.condition for answer in answers)


def test_the_same_picture_twice_counts_as_one_with_both_labels_mean():
    features = np.maximum(np.random.default_rng(1).standard_normal((4, 256)), 0)
    features[3] = features[2]
    batch = draw_batch(4, features=features)
    labels = batch.labels.copy()
    labels[3] = labels[2]
    batch = draw_batch(4, features=features, labels=labels)
    answers = recover_batch(batch.weight, batch.weight_grad, seed=0)
    assert (len(answers), answers.samples, answers.unique) == (3, 4, 3)
    assert sorted(evidence.samples for evidence in answers.evidence) == [1, 1, 2]
    assert batch.errors(answers).max() < 1e-5
    assert "its label is their mean" in answers.message


def test_more_samples_than_the_head_can_show_are_not_guessed():
    batch = draw_batch(14)
    answers = recover_batch(batch.weight, batch.weight_grad, seed=0, programs=30)
    assert answers.obstacle is Obstacle.FULL_RANK
    assert answers.unique == 0
    assert "the most that a head with 10 classes can show" in answers.message


@pytest.mark.parametrize(
    ("squash", "obstacle", "said"),
    [
        (lambda z: 1 / (1 + np.exp(-z)), Obstacle.NO_ZEROS, "no zeros of their own"),
        (np.tanh, Obstacle.NEGATIVE, "not those of a ReLU"),
    ],
)
def test_other_activations_get_an_honest_no(squash, obstacle, said):
    features = squash(np.random.default_rng(2).standard_normal((4, 256)))
    batch = draw_batch(4, features=features)
    answers = recover_batch(batch.weight, batch.weight_grad, seed=0, programs=30)
    assert (answers.obstacle, answers.unique) == (obstacle, 0)
    assert said in answers.message


def test_a_summed_loss_is_called_a_multiple_and_settled_by_the_option():
    batch = draw_batch(4, reduction=1.0)
    assert recover_batch(batch.weight, batch.weight_grad, seed=0).unique == 0
    settled = recover_batch(batch.weight, batch.weight_grad, seed=0, gradient_scale="unknown")
    assert settled.unique == 4
    assert batch.errors(settled).max() < 1e-4


WEIGHTS = tuple(np.linspace(0.5, 2.0, 10))


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("told", [{"temperature": 3.0}, {"class_weights": WEIGHTS, "temperature": 0.5}])
def test_an_announced_loss_is_reckoned_with(told, biased):
    batch = draw_batch(4, loss=training_loss(**told), biased=biased)
    sent = (batch.weight, batch.weight_grad, *((batch.bias, batch.bias_grad) if biased else ()))
    answers = recover_batch(*sent, seed=0, **told)
    assert answers.unique == 4
    assert batch.errors(answers).max() < 1e-5
    nearest = np.abs(answers.features.numpy()[:, None] - batch.features[None]).max(2).min(0)
    assert nearest.max() < 1e-4 * np.abs(batch.features).max()
    assert all(error < 1e-2 for error in batch.unique_errors(recover_batch(*sent, seed=0)))  # untold: never sure, wrong


def test_a_stop_while_labels_are_asked_is_said_so():
    """The very batch below in which labels settle what zeros leave open, stopped when all programs are done."""
    features = np.abs(np.random.default_rng(3).standard_normal((3, 40))) + 0.1
    features[0, :9] = features[1, 9:20] = features[2, :2] = features[2, 39] = 0
    batch, programs = draw_batch(3, features=features), 5
    asked = iter([False] * programs + [True] * 9)
    answers = recover_batch(batch.weight, batch.weight_grad, seed=0, programs=programs, stop=lambda: next(asked))
    assert (answers.obstacle, answers.unique) == (Obstacle.STOPPED, 0)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    samples=st.integers(2, 6),
    seed=st.integers(0, 10**6),
    noise=st.sampled_from([0.0, 1e-6, 1e-4, 1e-3]),
    share=st.sampled_from([0.05, 0.2, 0.5]),
)
def test_unique_is_never_wrong(samples, seed, noise, share):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((samples, 96))
    batch = draw_batch(samples, seed=seed, features=np.maximum(drawn - np.quantile(drawn, share), 0))
    added = noise * batch.weight_grad.square().mean().sqrt() * torch.from_numpy(rng.standard_normal((10, 96)))
    answers = recover_batch(batch.weight, (batch.weight_grad + added).float(), seed=0, programs=15)
    assert all(error < 1e-2 for error in batch.unique_errors(answers))


def test_noise_is_honest_about_what_it_leaves():
    batch = draw_batch(4)
    noisy = batch.weight_grad + 0.01 * batch.weight_grad.std() * torch.randn(
        batch.weight_grad.shape, generator=torch.Generator().manual_seed(0)
    )
    answers = recover_batch(batch.weight, noisy, seed=0)
    assert answers.unique == 0
    assert answers.noise > 1e-3


def test_it_reports_progress_and_stops_when_asked():
    batch, seen = draw_batch(4), []
    answers = recover_batch(
        batch.weight,
        batch.weight_grad,
        seed=0,
        on_progress=lambda found, size: seen.append((found, size)),
        stop=lambda: len(seen) == 2,
    )
    assert seen == [(1, 4), (2, 4)]
    assert answers.obstacle is Obstacle.STOPPED
    assert (len(answers), answers.found, answers.unique) == (4, 2, 0)


def test_labels_settle_a_feature_with_too_few_zeros_and_only_labels_with_a_format():
    """Two of its three zeros are another's as well, so the third stands alone."""
    features = np.abs(np.random.default_rng(3).standard_normal((3, 40))) + 0.1
    features[0, :9] = features[1, 9:20] = features[2, :2] = features[2, 39] = 0
    batch = draw_batch(3, features=features)
    answers = recover_batch(batch.weight, batch.weight_grad, seed=0)
    assert answers.unique == 3
    assert batch.errors(answers).max() < 1e-4
    assert sum(evidence.proven for evidence in answers.evidence) == 2
    assert "all labels agree" in answers.message
    assert recover_batch(batch.weight, batch.weight_grad, seed=0, label_format="any").unique == 0


def test_a_seed_gives_the_same_answer():
    batch = draw_batch(4)
    first, second = (recover_batch(batch.weight, batch.weight_grad, seed=3) for _ in range(2))
    assert torch.equal(first.labels, second.labels)


def test_a_zero_gradient_is_called_vanished():
    batch = draw_batch(3)
    answers = recover_batch(batch.weight, torch.zeros_like(batch.weight_grad))
    assert [answer.status for answer in answers] == ["vanished"]
    assert answers.obstacle is Obstacle.VANISHED


@pytest.mark.parametrize("noise_std", [None, 10.0])
def test_a_gradient_of_nothing_but_noise_says_so(noise_std):
    rng = np.random.default_rng(0)
    answers = recover_batch(rng.normal(size=(10, 64)), rng.normal(size=(10, 64)), noise_std=noise_std, seed=0)
    assert answers.unique == 0
    assert answers.obstacle is Obstacle.DROWNED
    assert answers.message.startswith("No direction stands out of the gradient's noise")


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"weight_grad": torch.zeros(10, 3)}, ShapeError, "expected the shape of weight"),
        ({"weight_grad": torch.full((10, 256), torch.nan)}, NonFiniteError, "weight_grad: expected finite numbers"),
        ({"weight_grad": torch.full((10, 256), torch.inf)}, NonFiniteError, "weight_grad: expected finite numbers"),
        ({"bias_grad": torch.zeros(10)}, ShapeError, "pass both or neither"),
        ({"bias": torch.zeros(4)}, ShapeError, r"bias: expected one entry per class \(10\)"),
        ({"samples": 2}, OptionError, "samples: expected at least 3"),
        ({"samples": 0}, OptionError, "samples: expected a whole number >= 1 or 'unknown'"),
        ({"programs": 0}, OptionError, "programs: expected a whole number >= 1"),
        ({"label_format": "odd"}, OptionError, "label_format: expected one of"),
        ({"temperature": 0.0}, OptionError, "temperature: expected a number above 0"),
        ({"class_weights": [1.0, 2.0]}, ShapeError, r"class_weights: expected one per class \(10\)"),
    ],
)
def test_bad_input_gets_one_sentence(changed, error, message):
    batch = draw_batch(3)
    request = {"weight": batch.weight, "weight_grad": batch.weight_grad, "seed": 0} | changed
    with pytest.raises(error, match=message):
        recover_batch(**request)


def test_too_few_classes():
    batch = draw_batch(2, classes=2)
    with pytest.raises(ShapeError, match="at least 3 classes"):
        recover_batch(batch.weight, batch.weight_grad)
    batch = draw_batch(2, classes=4)
    with pytest.raises(ClassCountError, match="label_format 'unknown'"):
        recover_batch(batch.weight, batch.weight_grad, seed=0)
