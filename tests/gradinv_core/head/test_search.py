"""The layer that gives the logits: found by what the network computes, asked for where two may be it."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from gradinv_core import capture_gradients, mixup_label, reconstruct_image, recover_from_gradients, recover_label
from gradinv_core.aware import attack_defended, recover_defended, undo_scale
from gradinv_core.client import client_truth
from gradinv_core.defences import Clip, DropRows, PerturbFeature, WithholdHead, apply_defences
from gradinv_core.diagnosis import Cause, diagnose, diagnose_image
from gradinv_core.errors import NoExactRouteError, OptionError
from gradinv_core.head import find_head, observe_head
from gradinv_core.image_recovery.deep_evidence import layer_below
from gradinv_core.windows import four_windows

LABEL = torch.as_tensor(mixup_label(3, 5, 10, 0.65, 0.1))
SHAPE = (3, 8, 8)


def body():
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 48), nn.Sigmoid())


class HeadFirst(nn.Module):
    """Its head is registered before its body."""

    def __init__(self):
        super().__init__()
        self.head, self.body = nn.Linear(48, 10, bias=False), body()

    def forward(self, batch):
        return self.head(self.body(batch))


class TwoHeads(nn.Module):
    """Two layers of one class count; ``use`` says what becomes of them."""

    def __init__(self, use="both"):
        super().__init__()
        self.body, self.use = body(), use
        self.head, self.head_dist = nn.Linear(48, 10, bias=False), nn.Linear(48, 10, bias=False)

    def forward(self, batch):
        inner = self.body(batch)
        if self.use == "first":
            return self.head(inner)
        if self.use == "both":
            return (self.head(inner) + self.head_dist(inner)) / 2
        if self.use == "by size":
            return self.head(inner) if inner.shape[0] > 1 else self.head_dist(inner)
        if self.use == "for ever":
            while inner.sum() > 0:
                inner = inner - 1
            return self.head(inner)
        return {"class": self.head(inner), "distilled": self.head_dist(inner)}


class Checked(HeadFirst):
    """Refuses other pictures, and expands a parameter by the size of the batch, as transformers do."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 48))

    def forward(self, batch):
        if batch.shape[1] != 3:
            raise ValueError("expected three channels")
        count, *_ = batch.size()
        inner = self.body(batch) + self.token.expand(count, -1)
        return functional.log_softmax(self.head(inner), 1)


class Functional(TwoHeads):
    """Its last layer's weight is used, its last layer never called."""

    def forward(self, batch):
        return functional.linear(self.body(batch), self.head.weight)


class SqueezeAndExcite(nn.Module):
    """Linear layers inside, a convolution as the last layer with weights."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 7), nn.Linear(7, 5), nn.Conv2d(5, 10, 1)
        self.unused = nn.Linear(2, 5)

    def forward(self, batch):
        return self.last(self.second(self.first(batch.mean((2, 3))))[..., None, None]).flatten(1)


@pytest.mark.parametrize(
    ("build", "head"),
    [
        (lambda: nn.Sequential(body(), nn.Sequential(nn.Linear(48, 48), nn.Linear(48, 10)), nn.Softplus()), "1.1"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)), "1"),
        (lambda: nn.Sequential(HeadFirst(), nn.ReLU(), nn.Linear(10, 10)), "2"),
        (lambda: nn.Sequential(nn.Identity(), HeadFirst()), "1.head"),
        (HeadFirst, "head"),
        (Checked, "head"),
        (lambda: TwoHeads("first"), "head"),
        (lambda: TwoHeads("for ever"), "head"),
        (lambda: nn.DataParallel(HeadFirst()), "module.head"),
        (lambda: nn.DataParallel(nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))), "module.1"),
        (lambda: torch.compile(HeadFirst()), "_orig_mod.head"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(192, 1)), "1"),
    ],
)
def test_the_last_layer_is_the_one_that_runs_last(build, head):
    model = build()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    mode = model.training
    assert find_head(model) == find_head(model, head) == head
    assert model.training == mode
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("build", [TwoHeads, lambda: TwoHeads("by size"), lambda: TwoHeads("dict"), Functional])
def test_two_that_may_be_the_last_are_a_question(build):
    with pytest.raises(OptionError) as question:
        find_head(build())
    assert str(question.value) == (
        "head: this network has 2 linear layers that may be the last (head, head_dist); pass head='...' to say which "
        "one the labels belong to."
    )
    assert find_head(build(), "head") == "head"
    assert find_head(nn.DataParallel(build()), "head_dist") == "module.head_dist"


def test_a_long_list_of_candidates_is_cut():
    heads = nn.ModuleList([nn.Linear(4, 3) for _ in range(20)])
    with pytest.raises(OptionError, match=r"has 20 linear layers .* \(0, 1, .*, 11 and 8 more\); pass head"):
        find_head(heads)


def test_layers_below_a_convolution_are_not_taken_for_the_last_one():
    """What the output comes from has no linear layer's rule, so nothing is decided by it."""
    with pytest.raises(OptionError, match=r"2 linear layers that may be the last \(second, unused\)"):
        find_head(SqueezeAndExcite())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("haed", r"^head: expected the name of a linear layer \(head, body\.1\), got 'haed' \(closest: head\)\.$"),
        ("body", r"^head: expected the name of a linear layer \(head, body\.1\), got 'body' \(closest: body\.1\)\.$"),
        ("body.0", r"got 'body\.0' \(closest: body\.1\)\.$"),
        ("xyz", r"^head: expected the name of a linear layer \(head, body\.1\), got 'xyz'\.$"),
        (7, r"^head: expected the name of a linear layer \(head, body\.1\), got 7\.$"),
    ],
)
def test_a_name_that_is_no_linear_layers_is_answered_with_those_there(name, message):
    with pytest.raises(OptionError, match=message):
        find_head(HeadFirst(), name)


def test_hooks_of_the_caller_are_not_run():
    model, seen = HeadFirst(), []
    model.head.register_forward_hook(lambda *_: seen.append("head"))
    model.body.register_forward_pre_hook(lambda *_: seen.append("body"))
    assert find_head(model) == "head"
    assert seen == []
    model(torch.rand(1, *SHAPE))
    assert seen == ["body", "head"]


def test_other_threads_may_use_networks_meanwhile():
    """`torch.fx.symbolic_trace` replaces what every module does when it is called; nothing of the kind happens here."""
    model, other, stop, failures = HeadFirst(), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), threading.Event(), []

    def use() -> None:
        while not stop.is_set():
            try:
                assert other(torch.ones(1, 4)).shape == (1, 2)
            except Exception as error:
                failures.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    for _ in range(100):
        find_head(model)
    stop.set()
    thread.join()
    assert failures == []


def captured(model):
    return capture_gradients(model, torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)), LABEL)


@pytest.fixture(scope="module")
def odd():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return HeadFirst().eval()


def test_a_head_registered_first_is_attacked_like_any_other(odd):
    gradients = captured(odd)
    assert observe_head(odd, gradients).weight.shape == (10, 48)
    answer = recover_from_gradients(odd, gradients)
    torch.testing.assert_close(answer.label, LABEL, atol=1e-4, rtol=0)
    assert diagnose(odd, gradients).cause is Cause.NONE
    recovery = reconstruct_image(odd, gradients, SHAPE, iterations=2, seed=0)
    torch.testing.assert_close(recovery.soft_label, LABEL, atol=1e-4, rtol=0)
    image = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    truth = client_truth(odd, image, LABEL)
    torch.testing.assert_close(answer.feature, truth.feature, atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def two():
    """A network with two heads of which the labels belong to the first; and what a client sends."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = TwoHeads().eval()
    image = torch.rand(1, *SHAPE, generator=torch.Generator().manual_seed(1))
    inner = model.body(image)
    loss = -(LABEL * torch.log_softmax(model.head(inner), 1)).sum() - torch.log_softmax(model.head_dist(inner), 1)[0, 7]
    parameters = dict(model.named_parameters())
    return model, dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


CALLS = {
    "find_head": lambda m, _, **o: find_head(m, **o),
    "observe_head": lambda m, g, **o: observe_head(m, g, **o),
    "recover_from_gradients": lambda m, g, **o: recover_from_gradients(m, g, **o),
    "layer_below": lambda m, g, **o: layer_below(m, g, **o),
    "reconstruct_image": lambda m, g, **o: reconstruct_image(m, g, SHAPE, iterations=1, seed=0, **o),
    "diagnose": lambda m, g, **o: diagnose(m, g, **o),
    "diagnose_image": lambda m, g, **o: diagnose_image(m, g, None, SHAPE, **o),
    "four_windows": lambda m, g, **o: four_windows(m, g, **o),
    "recover_defended": lambda m, g, **o: recover_defended(m, g, [Clip(1.0)], **o),
    "attack_defended": lambda m, g, **o: attack_defended(m, g, [Clip(100.0)], **o),
    "apply_defences": lambda m, g, **o: apply_defences(m, g, [DropRows(0.5)], **o),
    "client_truth": lambda m, _, **o: client_truth(m, torch.rand(SHAPE), LABEL, **o),
}


@pytest.mark.parametrize("name", CALLS)
def test_whoever_looks_for_the_last_layer_asks_and_takes_the_answer(two, name):
    with pytest.raises(OptionError, match=r"2 linear layers that may be the last \(head, head_dist\)"):
        CALLS[name](*two)
    with pytest.raises(OptionError, match=r"head: expected the name of a linear layer .* got 'tail'"):
        CALLS[name](*two, head="tail")
    CALLS[name](*two, head="head")


def test_each_head_gives_its_own_label(two):
    model, gradients = two
    for head, label in (("head", LABEL), ("head_dist", nn.functional.one_hot(torch.tensor(7), 10).double())):
        for answer in (
            recover_label(*observe_head(model, gradients, head=head)),
            recover_from_gradients(model, gradients, head=head),
            recover_defended(model, gradients, head=head),
            attack_defended(model, gradients, head=head).recovery,
        ):
            torch.testing.assert_close(answer.label, label, atol=1e-4, rtol=0)
        assert diagnose(model, gradients, head=head).cause is Cause.NONE
        recovery = reconstruct_image(model, gradients, SHAPE, head=head, iterations=1, seed=0)
        torch.testing.assert_close(recovery.soft_label, label, atol=1e-4, rtol=0)
        clipped = apply_defences(model, gradients, [Clip(1e-2)])
        found = recover_defended(model, clipped, [Clip(1e-2)], head=head)
        undone = undo_scale(model, clipped, found, head=head)
        torch.testing.assert_close(undone[f"{head}.weight"], gradients[f"{head}.weight"], rtol=1e-3, atol=1e-6)


def test_defences_that_need_no_head_do_not_look_for_one(two):
    model, gradients = two
    assert list(apply_defences(model, gradients, [Clip(1.0)])) == list(gradients)
    kept = apply_defences(model, gradients, [WithholdHead()], head="head_dist")
    assert set(gradients) - set(kept) == {"head_dist.weight"}
    image = torch.rand(SHAPE)
    with pytest.raises(OptionError, match="pass head="):
        apply_defences(model, gradients, [PerturbFeature(0.1)], image=image)
    sent = apply_defences(model, gradients, [PerturbFeature(0.1)], image=image, head="head")
    assert int((~sent["head.weight"].any(0)).sum()) == 5
    assert torch.equal(sent["head_dist.weight"], gradients["head_dist.weight"])
    convolutional = nn.Sequential(nn.Conv2d(3, 10, 8), nn.Flatten())
    assert list(apply_defences(convolutional, captured(convolutional), [Clip(1.0)])) == ["0.weight", "0.bias"]


def test_a_layer_in_the_middle_of_a_chain_has_no_exact_route():
    chain = nn.Sequential(body(), nn.Linear(48, 10), nn.Sigmoid(), nn.Linear(10, 10)).eval()
    gradients = captured(chain)
    label = {"label": LABEL, "feature": torch.ones(48)}
    with pytest.raises(
        NoExactRouteError, match=r"no exact route .* from layer 1 of this network, because layer 3 follows"
    ):
        reconstruct_image(chain, gradients, SHAPE, method="analytic", head="1", **label)
