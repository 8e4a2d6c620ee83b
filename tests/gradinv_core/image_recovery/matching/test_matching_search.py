"""The search as a whole: what it finds, what it keeps, and that it leaves everything else alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, hard_label, mixup_label
from gradinv_core.client import client_truth
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients
from gradinv_core.image_recovery.matching.descent import descend, learning_rates
from gradinv_core.image_recovery.matching.distance import total_variation
from gradinv_core.image_recovery.matching.objective import Candidate, Slope
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.matching.quasi_newton import descend_quasi_newton
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SHAPE = (3, 8, 8)
QUICK = MatchingOptions(iterations=30, snapshots=4)


def image(seed=0, shape=SHAPE):
    """Smooth colours, as photographs have them."""
    coarse = torch.rand((1, 3, 3, 3), generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, shape[1:], mode="bilinear", align_corners=True)[0]


def network(*, pooling=False, head_bias=False, seed=0):
    """Two convolutions; with pooling and fully connected layers with biases above them, or a plain chain."""
    middle = [nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 40), nn.Sigmoid(), nn.Linear(40, 24), nn.Sigmoid()]
    plain = [nn.Flatten(), nn.Linear(288, 24, bias=False), nn.Sigmoid()]
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.Sigmoid(), nn.Conv2d(12, 18, 3, 2, 1), nn.Sigmoid(),
        *(middle if pooling else plain), nn.Linear(24, 10, bias=head_bias),
    ).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
    return model


@pytest.mark.parametrize("distance", ["cosine", "l2"])
@pytest.mark.parametrize(("optimizer", "better_than"), [("adam", 22), ("signed adam", 22), ("lbfgs", 22)])
def test_the_image_comes_back(optimizer, better_than, distance):
    model, picture = network(), image()
    gradients = capture_gradients(model, picture, LABEL)
    options = MatchingOptions(
        distance=distance, optimizer=optimizer, iterations=600, total_variation=1e-5, learning_rate=0.05
    )
    result = match_gradients(model, gradients, SHAPE, options, seed=0)
    assert psnr(result.image, picture) > better_than
    assert result.losses[-1][1] < 0.02 * result.losses[0][1]
    assert result.image.dtype == torch.float64
    assert 0 <= result.image.min() <= result.image.max() <= 1
    assert torch.allclose(result.soft_label, torch.as_tensor(LABEL), atol=1e-5)
    assert result.label is not None
    assert result.label.status == "unique"


def test_lenet_with_the_papers_settings_and_fewer_steps():
    model = build_network("lenet_sigmoid", 10)
    picture = image(shape=(3, 32, 32))
    result = match_gradients(
        model, capture_gradients(model, picture, LABEL), (3, 32, 32), MatchingOptions(iterations=300), seed=0
    )
    assert result.route == "sequential"
    assert psnr(result.image, picture) > 20


def test_the_same_seed_gives_the_same_image_to_the_last_bit_and_another_seed_another():
    for model in (network(), network(pooling=True)):
        gradients = capture_gradients(model, image(), LABEL)
        before = torch.random.get_rng_state()
        first, again, other = (match_gradients(model, gradients, SHAPE, QUICK, seed=seed) for seed in (3, 3, 4))
        assert torch.equal(before, torch.random.get_rng_state())
        assert torch.equal(first.image, again.image)
        assert first.losses == again.losses
        assert not torch.equal(first.image, other.image)
        drawn = [match_gradients(model, gradients, SHAPE, replace(QUICK, iterations=1)) for _ in range(2)]
        assert not torch.equal(drawn[0].image, drawn[1].image)


def test_threads_and_gradient_modes_do_not_matter():
    for model in (network(), network(pooling=True)):
        gradients = capture_gradients(model, image(), LABEL)
        expected = match_gradients(model, gradients, SHAPE, QUICK, seed=3).image
        with torch.no_grad():
            assert torch.equal(match_gradients(model, gradients, SHAPE, QUICK, seed=3).image, expected)
        with torch.inference_mode():
            sent = {name: gradient.clone() for name, gradient in gradients.items()}
            assert torch.equal(match_gradients(model, sent, SHAPE, QUICK, seed=3).image, expected)
        with ThreadPoolExecutor(3) as pool:
            work = [pool.submit(match_gradients, model, gradients, SHAPE, QUICK, seed=3) for _ in range(3)]
        assert all(torch.equal(result.result().image, expected) for result in work)


def test_the_callers_model_is_left_alone():
    model = network(pooling=True)
    gradients = capture_gradients(model, image(), LABEL)
    expected = match_gradients(model, gradients, SHAPE, QUICK, seed=3).image
    model.requires_grad_(False).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    result = match_gradients(model, gradients, SHAPE, replace(QUICK, terms="gf"), seed=3)
    assert result.image.shape == SHAPE
    assert torch.equal(match_gradients(model, gradients, SHAPE, QUICK, seed=3).image, expected)
    assert model.training
    assert all(not p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("optimizer", ["signed adam", "lbfgs"])
def test_stop_hands_back_the_best_so_far_at_once(optimizer):
    model, asked = network(), []
    gradients = capture_gradients(model, image(), LABEL)

    def stop():
        asked.append(None)
        return len(asked) > 5

    options = MatchingOptions(optimizer=optimizer, restarts=3)
    result = match_gradients(model, gradients, SHAPE, options, stop=stop, seed=0)
    assert result.stopped
    assert len(asked) == 6
    assert result.restart == 1
    assert torch.equal(result.steps[-1].value, result.image)
    never = match_gradients(model, gradients, SHAPE, replace(options, iterations=3), stop=lambda: False, seed=0)
    assert not never.stopped
    at_once = match_gradients(model, gradients, SHAPE, options, stop=lambda: True, seed=0)
    assert at_once.stopped
    assert at_once.image.shape == SHAPE


def test_steps_are_spread_over_the_run_and_end_at_the_image():
    model, seen = network(), []
    gradients = capture_gradients(model, image(), LABEL)
    result = match_gradients(model, gradients, SHAPE, QUICK, on_step=seen.append, seed=0)
    assert [step.title for step in result.steps[:4]] == [f"Iteration {n}" for n in (0, 10, 20, 30)]
    assert [step.iteration for step in seen] == [step.iteration for step in result.steps]
    assert torch.equal(result.steps[-1].value, result.image)
    assert result.steps[-1].loss == result.loss == min(loss for _, loss in result.losses)
    assert all(step.value.dtype == torch.float64 and step.value.shape == SHAPE for step in seen)
    losses = dict(result.losses)
    assert all(losses[step.iteration] == step.loss for step in result.steps)
    one = match_gradients(model, gradients, SHAPE, replace(QUICK, snapshots=1), seed=0)
    assert one.steps[0].iteration == 30


def test_the_best_of_several_restarts_is_kept():
    model, seen = network(), []
    gradients = capture_gradients(model, image(), LABEL)
    result = match_gradients(model, gradients, SHAPE, replace(QUICK, restarts=3), on_step=seen.append, seed=0)
    ends = {f"Restart {n}": [s.loss for s in seen if s.title.startswith(f"Restart {n},")] for n in (1, 2, 3)}
    assert all(ends.values())
    assert result.loss == min(min(losses) for losses in ends.values())
    assert min(ends[f"Restart {result.restart}"]) == result.loss
    assert all(step.title.startswith(f"Restart {result.restart}, ") for step in result.steps)
    assert len({losses[0] for losses in ends.values()}) == 3


def test_a_warm_start_is_where_the_search_begins():
    model, picture = network(), image()
    gradients = capture_gradients(model, picture, LABEL)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    near = (picture + 0.02 * noise).clamp(0, 1).double()
    polish = MatchingOptions(iterations=100, optimizer="lbfgs", total_variation=0.0)
    result = match_gradients(model, gradients, SHAPE, polish, start=near, seed=0)
    assert torch.equal(result.steps[0].value, near)
    assert psnr(result.image, picture) > psnr(near, picture) + 20
    outside = match_gradients(model, gradients, SHAPE, QUICK, start=picture * 3 - 1, seed=0)
    assert outside.steps[0].value.min() >= 0
    free = match_gradients(model, gradients, SHAPE, replace(QUICK, box=False), start=picture * 3 - 1, seed=0)
    assert free.steps[0].value.min() < 0


def test_every_label_mode_uses_its_own_label():
    model, picture = network(), image()
    gradients = capture_gradients(model, picture, LABEL)
    results = {
        mode: match_gradients(model, gradients, SHAPE, replace(QUICK, label_mode=mode), seed=0)
        for mode in ("recovered", "hard", "learned")
    }
    assert torch.allclose(results["recovered"].soft_label, torch.as_tensor(LABEL), atol=1e-5)
    assert torch.equal(results["hard"].soft_label, torch.as_tensor(hard_label(3, 10)))
    assert results["learned"].soft_label.sum() == pytest.approx(1)
    assert results["recovered"].label is not None
    assert results["hard"].label is results["learned"].label is None
    mine = torch.full((10,), 0.1)
    given = match_gradients(model, gradients, SHAPE, replace(QUICK, label_mode="given"), label=mine, seed=0)
    assert torch.equal(given.soft_label, mine.double())
    handed = match_gradients(model, gradients, SHAPE, QUICK, label=torch.as_tensor(LABEL), seed=0)
    assert handed.label is None


def test_a_label_can_be_learned_with_the_image():
    model, picture, label = network(head_bias=True), image(), torch.as_tensor(LABEL)
    gradients = capture_gradients(model, picture, LABEL)
    options = MatchingOptions(iterations=600, label_mode="learned", optimizer="lbfgs", total_variation=0.0)
    result = match_gradients(model, gradients, SHAPE, replace(options, distance="l2"), seed=0)
    assert (result.soft_label - label).abs().max() < 1e-4
    assert psnr(result.image, picture) > 60
    # The angle says nothing of the gradient's length: any y' with p - y' = kappa (p - y) has the same one.
    result = match_gradients(model, gradients, SHAPE, options, seed=0)
    assert psnr(result.image, picture) > 60
    residual, wished = (client_truth(model, picture, LABEL).probabilities - y for y in (result.soft_label, label))
    assert (result.soft_label - label).abs().max() > 1e-3
    assert torch.nn.functional.cosine_similarity(residual, wished, 0) > 1 - 1e-6


def test_the_feature_alone_and_with_the_gradient():
    model, picture = network(pooling=True), image()
    gradients, feature = capture_gradients(model, picture, LABEL), client_truth(model, picture, LABEL).feature
    wished = MatchingOptions(
        iterations=300, terms="f", total_variation=0.0, optimizer="adam", learning_rate=0.02, inner_inputs=False
    )
    only = match_gradients(model, gradients, SHAPE, wished, seed=0)
    assert only.route == "autograd"
    found = client_truth(model, only.image.float(), LABEL).feature
    assert (found - feature).norm() < 1e-2 * feature.norm()
    assert only.inner_layers == ()
    gradient, both = (
        match_gradients(model, gradients, SHAPE, replace(wished, terms=terms, iterations=1), seed=0)
        for terms in ("g", "gf")
    )
    assert both.losses[0][1] == pytest.approx(gradient.losses[0][1] + only.losses[0][1])
    handed = match_gradients(model, gradients, SHAPE, replace(wished, iterations=40), feature=feature, seed=0)
    assert handed.label is not None  # the label was not handed in
    # Two features that agree to rounding; the loss is a difference of terms of size one, in float32.
    assert handed.losses[0][1] == pytest.approx(only.losses[0][1], abs=1e-7)


def test_exact_inputs_behind_pooling_help():
    options = MatchingOptions(iterations=400, total_variation=1e-3, learning_rate=0.05)
    gains = []
    for seed in range(3):
        model, picture = network(pooling=True, seed=seed), image(seed)
        gradients = capture_gradients(model, picture, LABEL)
        inner = match_gradients(model, gradients, SHAPE, options, seed=0)
        assert inner.inner_layers == ("6", "8")
        without = match_gradients(model, gradients, SHAPE, replace(options, inner_inputs=False), seed=0)
        assert without.inner_layers == ()
        gains.append(psnr(inner.image, picture) - psnr(without.image, picture))
    assert sum(gains) / len(gains) > 0.5


@pytest.mark.parametrize("walk", [descend, descend_quasi_newton])
def test_a_restart_that_overflows_keeps_its_best_image(walk):
    calls = []

    def objective(candidate):
        calls.append(candidate.image.clone())
        distance = candidate.image - 0.5
        return Slope(float("nan") if len(calls) > 4 else float(distance.pow(4).sum()), 4 * distance**3)

    playback = Playback("", 30, 31, None)
    outcome = walk(objective, Candidate(image().double()), MatchingOptions(iterations=30), playback, lambda: False)
    assert outcome.overflowed
    assert len(calls) == 5
    assert playback.best is not None
    assert playback.best_loss == min(step.loss for step in playback.steps) < playback.steps[0].loss
    assert any(torch.equal(playback.best.image, call) for call in calls[1:4])


class Cliff(nn.Module):
    """Overflows once the mean brightness has fallen below one half."""

    def __init__(self):
        super().__init__()
        self.inner = network()

    def forward(self, batch):
        return self.inner(batch) + torch.where(batch.mean() > 0.45, 0.0, torch.nan)


def test_a_search_that_overflows_says_so():
    model = Cliff()
    gradients = capture_gradients(model, torch.full(SHAPE, 0.5), LABEL)
    dark = capture_gradients(model.inner, torch.zeros(SHAPE), LABEL)
    sent = {f"inner.{name}": gradient for name, gradient in dark.items()}
    assert sent.keys() == gradients.keys()
    result = match_gradients(model, sent, SHAPE, replace(QUICK, label_mode="given"), label=LABEL, seed=0)
    assert "Restart 1 of 1 ended after iteration" in result.note
    assert torch.isfinite(result.image).all()
    assert result.image.mean() > 0.4
    assert not result.stopped


def test_learning_rates_fall_as_in_the_paper():
    rates = learning_rates(0.1, 4800, True)
    assert [rates[i] for i in (0, 1799, 1800, 2999, 3000, 4199, 4200, 4799)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4]
    )
    assert set(learning_rates(0.1, 100, False)) == {0.1}


@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 1, 6), (2, 3, 1), (1, 1, 1)])
def test_total_variation_against_autograd(shape):
    picture = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_(True)
    value = sum(picture.diff(dim=axis).abs().mean() for axis in (1, 2) if shape[axis] > 1)
    ours, slope = total_variation(picture.detach())
    assert ours == pytest.approx(float(value.detach()) if picture.numel() > 1 else 0)
    if picture.numel() > 1:
        assert torch.allclose(slope, torch.autograd.grad(value, picture)[0], rtol=0, atol=1e-15)
    else:
        assert not slope.any()
