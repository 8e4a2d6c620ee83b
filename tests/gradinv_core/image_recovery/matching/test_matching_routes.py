"""The derivative of the matching objective: by hand against autograd, both against differences, loops against loops."""

import pytest
import torch
from textbook_matching import match
from torch import nn

from gradinv_core import capture_gradients, mixup_label
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients
from gradinv_core.image_recovery.matching.autograd_route import AutogradRoute
from gradinv_core.image_recovery.matching.distance import DISTANCE_FUNCTIONS
from gradinv_core.image_recovery.matching.inner_inputs import KnownInput
from gradinv_core.image_recovery.matching.objective import Candidate, Objective
from gradinv_core.image_recovery.matching.observed import observe_gradient
from gradinv_core.image_recovery.matching.sequential_route import SequentialRoute, chain_of
from gradinv_core.networks import build_network
from gradinv_core.twin import private_twin

LABEL = mixup_label(1, 3, 5, 0.65, 0.1)
SHAPE = (2, 9, 7)


def seeded(*layers):
    model = nn.Sequential(*layers).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5, generator=generator)
    return model.double()


def image(seed=1, shape=SHAPE):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients_of(model, picture):
    label = torch.as_tensor(LABEL)
    loss = -(label * torch.log_softmax(model(picture[None])[0], 0)).sum()
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


CHAINS = {
    "sigmoid": lambda: seeded(nn.Conv2d(2, 4, 3, 2, 1), nn.Sigmoid(), nn.Flatten(), nn.Linear(80, 5, bias=False)),
    "tanh, dilated, no bias": lambda: seeded(
        nn.Conv2d(2, 3, 3, padding=(2, 0), dilation=2, bias=False), nn.Tanh(), nn.Flatten(), nn.Linear(81, 5)
    ),
    "relu, two convolutions": lambda: seeded(
        nn.Conv2d(2, 4, (3, 2)), nn.ReLU(), nn.Sequential(nn.Conv2d(4, 3, 3, (2, 1), 1), nn.ReLU()), nn.Flatten(),
        nn.Identity(), nn.Linear(72, 6), nn.Dropout(), nn.LeakyReLU(0.2), nn.Linear(6, 5),
    ),
    "leaky relu, fully connected": lambda: seeded(
        nn.Flatten(), nn.Linear(126, 12), nn.LeakyReLU(), nn.Linear(12, 8, bias=False), nn.Tanh(), nn.Linear(8, 5)
    ),
    "convolutions without activation": lambda: seeded(
        nn.Conv2d(2, 3, 3, 2, 1), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(48, 5, bias=False)
    ),
    "linear": lambda: seeded(nn.Flatten(), nn.Linear(126, 5)),
    "stacked activations": lambda: seeded(nn.Flatten(), nn.Linear(126, 9), nn.Tanh(), nn.Sigmoid(), nn.Linear(9, 5)),
}  # fmt: skip


def both_routes(model, distance, label, known=(), frozen=()):
    sent = {name: value for name, value in gradients_of(model, image()).items() if name not in frozen}
    observed = observe_gradient(model, sent)
    chain = chain_of(private_twin(model), SHAPE)
    assert chain is not None
    by_hand = SequentialRoute(chain, observed, label, DISTANCE_FUNCTIONS[distance], known)
    return by_hand, AutogradRoute(private_twin(model), observed, label, DISTANCE_FUNCTIONS[distance], known)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
@pytest.mark.parametrize("name", CHAINS)
def test_the_chain_by_hand_equals_autograd(name, distance):
    by_hand, reference = both_routes(CHAINS[name](), distance, torch.as_tensor(LABEL))
    for seed in (2, 3):  # twice: nothing may be left over from the evaluation before
        candidate = Candidate(image(seed))
        ours, theirs = by_hand.evaluate(candidate), reference.evaluate(candidate)
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-10)
        assert theirs.image.abs().max() > 1e-6
        assert torch.allclose(ours.image, theirs.image, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
@pytest.mark.parametrize("name", CHAINS)
def test_only_what_was_sent_is_matched(name, distance):
    """Both routes against the distance written down over the parameters that were sent."""
    model, label = CHAINS[name](), torch.as_tensor(LABEL)
    names = [name for name, _ in model.named_parameters()]
    for frozen in ({names[0]}, set(names[:-1]), {names[-1]}, set(names[1::2])):
        if frozen == set(names):
            continue
        by_hand, reference = both_routes(model, distance, label, frozen=frozen)
        for seed in (2, 3):
            candidate = Candidate(image(seed))
            ours, theirs = by_hand.evaluate(candidate), reference.evaluate(candidate)
            assert ours.loss == pytest.approx(theirs.loss, rel=1e-10)
            assert torch.allclose(ours.image, theirs.image, rtol=1e-9, atol=1e-12)
            here, there = gradients_of(model, image(seed)), gradients_of(model, image())
            mine, observed = (
                torch.cat([part.reshape(-1) for name, part in gradients.items() if name not in frozen])
                for gradients in (here, there)
            )
            cosine = 1 - torch.nn.functional.cosine_similarity(mine, observed, 0)
            squared = (mine - observed).square().sum() / observed.square().sum()
            assert ours.loss == pytest.approx(float(cosine if distance == "cosine" else squared), rel=1e-8)


@pytest.mark.parametrize("name", CHAINS)
def test_a_learned_label_and_known_inputs_too(name):
    model = CHAINS[name]()
    linear = [(key, layer) for key, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    known = [
        KnownInput(key, torch.linspace(-1, 1, layer.in_features, dtype=torch.float64), 0.3) for key, layer in linear
    ]
    by_hand, reference = both_routes(model, "cosine", None, known)
    candidate = Candidate(image(2), torch.linspace(-1, 2, 5, dtype=torch.float64))
    ours, theirs = by_hand.evaluate(candidate), reference.evaluate(candidate)
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-10)
    assert torch.allclose(ours.image, theirs.image, rtol=1e-9, atol=1e-12)
    assert theirs.logits.abs().max() > 1e-6
    assert torch.allclose(ours.logits, theirs.logits, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_autograd_equals_differences_of_the_loss(distance):
    model = CHAINS["sigmoid"]()
    observed = observe_gradient(model, gradients_of(model, image()))
    route = AutogradRoute(private_twin(model), observed, None, DISTANCE_FUNCTIONS[distance], ())
    objective = Objective(route, 1e-2)
    here = Candidate(image(2), torch.linspace(-1, 2, 5, dtype=torch.float64))
    slope, step = objective(here), 1e-6
    way = image(5) - 0.5
    up, down = (objective(Candidate(here.image + sign * step * way, here.logits)).loss for sign in (1, -1))
    assert float((slope.image * way).sum()) == pytest.approx((up - down) / (2 * step), rel=1e-6)
    turn = torch.tensor([0.3, -1, 0.2, 0.7, -0.4], dtype=torch.float64)
    up, down = (objective(Candidate(here.image, here.logits + sign * step * turn)).loss for sign in (1, -1))
    assert float((slope.logits * turn).sum()) == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_the_distance_is_the_textbooks_down_to_where_float_rounding_hides_it():
    gradient, observed = image(1).reshape(-1), image(2).reshape(-1)
    size = float(observed.norm())
    slope = torch.empty_like(gradient)
    cosine = torch.nn.functional.cosine_similarity(gradient, observed, 0)
    assert DISTANCE_FUNCTIONS["cosine"](gradient, observed / size, size, slope) == pytest.approx(1 - float(cosine))
    assert DISTANCE_FUNCTIONS["cosine"](-gradient, observed / size, size, slope) == pytest.approx(1 + float(cosine))
    relative = float((gradient - observed).square().sum()) / size**2
    assert DISTANCE_FUNCTIONS["l2"](gradient, observed / size, size, slope) == pytest.approx(relative)
    near = observed + 1e-9 * gradient
    sine = torch.linalg.vector_norm(gradient - observed * (gradient @ observed) / size**2) * 1e-9 / size
    ours = DISTANCE_FUNCTIONS["cosine"](near, observed / size, size, slope)
    assert ours == pytest.approx(float(sine) ** 2 / 2, rel=1e-4)


@pytest.mark.parametrize("signed", [True, False])
def test_a_hundred_steps_end_where_the_textbook_loop_ends(signed):
    """In float64: in float32 the sign of an entry near zero is decided by rounding, in either loop."""
    model, picture = build_network("lenet_sigmoid", 10).double(), image(shape=(3, 32, 32))
    label = mixup_label(3, 5, 10, 0.65, 0.1)
    gradients, start = capture_gradients(model, picture, label), image(7, (3, 32, 32))
    theirs = match(model, gradients, label, start, 100, signed=signed)
    options = MatchingOptions(iterations=100, label_mode="given", optimizer="signed adam" if signed else "adam")
    ours = match_gradients(model, gradients, (3, 32, 32), options, label=label, start=start)
    assert ours.route == "sequential"
    last = next(step for step in ours.steps if step.iteration == 100)
    assert (theirs - start).abs().max() > 0.5
    assert (last.value - theirs).abs().max() < 1e-9


def test_in_float32_every_step_agrees_to_rounding():
    model, picture = build_network("lenet_sigmoid", 10), image(shape=(3, 32, 32)).float()
    label = mixup_label(3, 5, 10, 0.65, 0.1)
    gradients, start = capture_gradients(model, picture, label), image(7, (3, 32, 32)).float()
    for steps in (1, 5):
        theirs = match(model, gradients, label.float(), start, steps, signed=False)
        options = MatchingOptions(iterations=steps, label_mode="given", optimizer="adam", decay=True)
        ours = match_gradients(model, gradients, (3, 32, 32), options, label=label, start=start)
        last = next(step for step in ours.steps if step.iteration == steps)
        difference = (last.value - theirs).abs()
        # A pixel whose derivative is rounding alone may go either way; no others may.
        assert difference.median() < 1e-6
        assert (difference > 1e-3).double().mean() < 2e-3


class Doubled(nn.Sequential):
    def forward(self, batch):
        return 2 * super().forward(batch)


def test_what_is_not_a_plain_chain_goes_through_autograd():
    shared = nn.Linear(126, 126)
    hooked = seeded(nn.Flatten(), nn.Linear(126, 5))
    hooked[1].register_forward_hook(lambda _, __, output: 2 * output)
    for model in (
        seeded(nn.Flatten(), shared, nn.Tanh(), shared, nn.Linear(126, 5)),
        hooked,
        Doubled(nn.Flatten(), nn.Linear(126, 5)),
        seeded(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(140, 5)),
        seeded(nn.Conv2d(2, 4, 3, padding="same"), nn.Flatten(), nn.Linear(252, 5)),
        seeded(nn.Conv2d(2, 4, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(252, 5)),
        seeded(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24, 5)),
        seeded(nn.Conv2d(2, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(140, 5)),
        seeded(nn.ReLU(), nn.Flatten(), nn.Linear(126, 5)),
    ):
        assert chain_of(private_twin(model), SHAPE) is None
    model = hooked
    options = MatchingOptions(iterations=2, label_mode="given")
    result = match_gradients(model, gradients_of(model, image()), SHAPE, options, label=torch.as_tensor(LABEL), seed=0)
    assert result.route == "autograd"


class FusedAttention(nn.Module):
    """One head of PyTorch's own attention, which has no second derivative."""

    def __init__(self):
        super().__init__()
        self.attend, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 5)

    def forward(self, images):
        tokens = images.reshape(len(images), -1, 8)
        return self.head((tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0]).mean(1))


def test_fused_attention_is_written_out_and_differentiated_twice():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FusedAttention().double().eval()
    observed = observe_gradient(model, gradients_of(model, image(shape=(2, 8, 8))))
    route = AutogradRoute(private_twin(model), observed, torch.as_tensor(LABEL), DISTANCE_FUNCTIONS["l2"], ())
    here, way = image(2, (2, 8, 8)), torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(3)).double()
    slope = float((route.evaluate(Candidate(here)).image * way).sum())
    ahead, behind = (route.evaluate(Candidate(here + step * way)).loss for step in (1e-6, -1e-6))
    assert slope == pytest.approx((ahead - behind) / 2e-6, rel=1e-4)
    assert torch.backends.cuda.flash_sdp_enabled()
