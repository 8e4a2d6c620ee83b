"""Restarts searched as one batch are what they would be one after the other."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients
from gradinv_core.image_recovery.matching.autograd_route import AutogradRoute
from gradinv_core.image_recovery.matching.distance import DISTANCE_FUNCTIONS, total_variation
from gradinv_core.image_recovery.matching.inner_inputs import KnownInput
from gradinv_core.image_recovery.matching.objective import Candidate, StackedSlope
from gradinv_core.image_recovery.matching.observed import observe_gradient
from gradinv_core.image_recovery.matching.playback import Playback
from gradinv_core.image_recovery.matching.stacked_descent import descend_together, stacked
from gradinv_core.image_recovery.matching.stacked_distance import STACKED_DISTANCES
from gradinv_core.image_recovery.matching.stacked_route import StackedRoute
from gradinv_core.losses import TrainingLoss
from gradinv_core.pixels import PixelSpace
from gradinv_core.twin import private_twin

LABEL = mixup_label(1, 3, 5, 0.65, 0.1)
SHAPE = (2, 8, 8)
SHORT = MatchingOptions(iterations=12, restarts=3, optimizer="adam", label_mode="given", snapshots=3)


class Skipping(nn.Module):
    """A small residual network: batch norm, a skip, a max pool, inner layers with biases."""

    def __init__(self):
        super().__init__()
        self.front, self.norm = nn.Conv2d(2, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.inner, self.after = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.middle, self.head = nn.Linear(96, 12), nn.Linear(12, 5)

    def forward(self, images):
        here = torch.tanh(self.norm(self.front(images)))
        here = nn.functional.max_pool2d(torch.relu(here + self.after(self.inner(here))), 2)
        return self.head(torch.sigmoid(self.middle(here.flatten(1))))


class Looking(Skipping):
    """The same, but it looks at its values: no stack can be taken through it."""

    def forward(self, images):
        return super().forward(images if float(images.detach().sum()) < 1e9 else -images)


def network(kind=Skipping):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().double().eval()


def image(seed=1):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def observed_by(model):
    return observe_gradient(model, capture_gradients(model, image(), LABEL))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_every_row_of_a_stack_has_the_slope_it_has_alone(distance, learned):
    model, label = network(), None if learned else torch.as_tensor(LABEL)
    known = [
        KnownInput("middle", torch.linspace(-1, 1, 96).double(), 0.3),
        KnownInput("head", torch.ones(12).double(), 1.0),
    ]
    alone = AutogradRoute(private_twin(model), observed_by(model), label, DISTANCE_FUNCTIONS[distance], known)
    at_once = StackedRoute(private_twin(model), observed_by(model), label, distance, known)
    logits = [torch.linspace(-1, seed, 5).double() if learned else None for seed in range(3)]
    candidates = [Candidate(image(seed + 2), logits[seed]) for seed in range(3)]
    assert at_once.can(stacked(candidates))
    found = at_once.evaluate(stacked(candidates))
    for place, candidate in enumerate(candidates):
        expected = alone.evaluate(candidate)
        assert float(found.loss[place]) == pytest.approx(expected.loss, rel=1e-12)
        assert expected.image.abs().max() > 1e-6
        assert torch.allclose(found.image[place], expected.image, rtol=1e-10, atol=1e-14)
        if learned:
            assert torch.allclose(found.logits[place], expected.logits, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_distances_of_many_are_those_of_each(distance):
    rows = torch.stack([image(seed).reshape(-1) - 0.4 for seed in range(4)])
    direction = rows[0] / rows[0].norm()
    rows[1], rows[2], rows[3] = -rows[0], rows[0] + 1e-7 * rows[1], 0.0
    values, slopes = STACKED_DISTANCES[distance](rows, direction, 3.0)
    for row, value, slope in zip(rows, values, slopes, strict=True):
        one = torch.empty_like(row)
        expected = DISTANCE_FUNCTIONS[distance](row, direction, 3.0, one)
        assert float(value) == pytest.approx(expected, rel=1e-9, nan_ok=True)
        assert torch.allclose(slope, one, rtol=1e-9, atol=1e-15)
    roughness, ways = total_variation(rows.view(4, *SHAPE))
    assert torch.equal(roughness, torch.stack([total_variation(row.view(SHAPE))[0] for row in rows]))
    assert torch.equal(ways[1], total_variation(rows[1].view(SHAPE))[1])


def both_ways(model, options=SHORT, **more):
    gradients = capture_gradients(model, image(), LABEL)
    search = [
        match_gradients(model, gradients, SHAPE, replace(options, at_once=at_once), label=LABEL, seed=0, **more)
        for at_once in (1, 3, 2)
    ]
    for found in search[1:]:
        assert (found.restart, found.note, found.stopped) == (search[0].restart, search[0].note, search[0].stopped)
        assert [step.title for step in found.steps] == [step.title for step in search[0].steps]
        assert (found.image - search[0].image).abs().max() < 1e-9
        assert torch.allclose(torch.tensor(found.losses), torch.tensor(search[0].losses), rtol=1e-6)
    return [found.route for found in search]


def test_a_search_of_restarts_at_once_is_the_search_one_by_one():
    assert both_ways(network()) == ["autograd", "stacked", "stacked"]
    fed_otherwise = replace(SHORT, iterations=3, optimizer="signed adam")
    assert (
        both_ways(network(), fed_otherwise, space=PixelSpace((0.4,), (0.3,)), training=TrainingLoss(2.0))[1]
        == "stacked"
    )
    assert both_ways(network(), replace(SHORT, distance="l2", decay=False, box=False)) == [
        "autograd", "stacked", "stacked",
    ]  # fmt: skip


def test_where_a_layer_cannot_be_stacked_or_the_steps_are_l_bfgs_s_restarts_go_one_by_one():
    assert both_ways(network(Looking), replace(SHORT, iterations=2)) == ["autograd"] * 3
    assert both_ways(network(), replace(SHORT, iterations=2, optimizer="lbfgs")) == ["autograd"] * 3


def test_one_restart_that_overflows_leaves_the_others_alone_and_stop_ends_all():
    def parabola(candidate):
        loss = candidate.image.square().sum((1, 2, 3))
        broken = loss > 100
        return StackedSlope(
            torch.where(broken, torch.nan, loss), candidate.image.masked_fill(broken[:, None, None, None], torch.inf)
        )

    def walk(stop):
        playbacks = [Playback("", 5, 3, None) for _ in range(3)]
        here = stacked([Candidate(image()), Candidate(image() + 1), Candidate(image(3))])
        return descend_together(parabola, here, replace(SHORT, iterations=5), playbacks, stop), playbacks

    outcomes, playbacks = walk(lambda: False)
    assert [outcome.overflowed for outcome in outcomes] == [False, True, False]
    assert [outcome.iterations for outcome in outcomes] == [5, 0, 5]
    assert playbacks[1].best is None
    assert all(playback.best_loss < playback.losses[0][1] for playback in (playbacks[0], playbacks[2]))
    outcomes, _ = walk(lambda: True)
    assert [(outcome.stopped, outcome.overflowed) for outcome in outcomes] == [
        (True, False), (False, True), (True, False),
    ]  # fmt: skip
