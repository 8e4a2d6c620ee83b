"""Clients with frozen layers send fewer gradients: what was sent is used, what was not is named."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image, recover_from_gradients
from gradinv_core.defences import Clip, DropRows, GaussianNoise, PerturbFeature, Prune, Quantise, Sign, apply_defences
from gradinv_core.diagnosis import Cause, diagnose, diagnose_image
from gradinv_core.errors import NoExactRouteError, OptionError
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients
from gradinv_core.metrics import psnr
from gradinv_core.windows import four_windows

LABEL = torch.as_tensor(mixup_label(3, 5, 10, 0.65, 0.1))
SHAPE = (3, 12, 12)
FEW = {"iterations": 3, "seed": 0}


class Skip(nn.Module):
    """No chain of layers, and too few numbers in it for a search below its sum."""

    def __init__(self):
        super().__init__()
        self.stem, self.fc = nn.Conv2d(3, 4, 3, 2, 1), nn.Linear(144, 10)

    def forward(self, batch):
        inner = self.stem(batch)
        return self.fc((inner + inner.tanh()).flatten(1))


@pytest.fixture
def chain(network):
    layers = nn.Conv2d(3, 12, 5, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(432, 32), nn.Tanh(), nn.Linear(32, 10)
    return network(*layers)


def without(gradients, *names):
    return {name: None if name in names else value for name, value in gradients.items()}


def test_the_layer_that_is_missing_is_named_and_the_rest_is_matched(chain, picture):
    gradients = capture_gradients(chain, picture(), LABEL)
    for names, layer in ((("0.weight",), "0"), (("0.weight", "0.bias", "3.weight", "3.bias"), "3")):
        sent = without(gradients, *names)
        with pytest.raises(NoExactRouteError) as refusal:
            reconstruct_image(chain, sent, SHAPE, method="analytic")
        assert str(refusal.value) == (
            f"the gradient of layer {layer} was not sent, and the exact route needs that of every layer; gradient "
            f"matching does with those that were sent."
        )
        recovery = reconstruct_image(chain, sent, SHAPE, **FEW)
        assert recovery.method == "matching"
        assert recovery.reason.startswith(f"The gradient of layer {layer} was not sent, and the exact route needs")
        torch.testing.assert_close(recovery.soft_label, LABEL, atol=1e-4, rtol=0)
    # A bias gradient is not needed where the weight's is there.
    assert reconstruct_image(chain, without(gradients, "0.bias", "3.bias"), SHAPE).method == "analytic"


@pytest.mark.parametrize("method", ["auto", "matching"])
def test_the_head_alone_is_enough_to_search(chain, picture, method):
    gradients = capture_gradients(chain, picture(), LABEL)
    head = {name: value for name, value in gradients.items() if name.startswith("5.")}
    options = {"optimizer": "adam", "iterations": 300, "total_variation": 0.0, "seed": 0}
    recovery = reconstruct_image(chain, head, SHAPE, method=method, **options)
    assert recovery.method == "matching"
    assert recovery.losses[-1][1] < 1e-3 * recovery.losses[0][1]
    again = capture_gradients(chain, recovery.image.float(), LABEL)
    found, wanted = (torch.cat([part["5.weight"].flatten(), part["5.bias"]]) for part in (again, head))
    assert float(torch.cosine_similarity(found, wanted, 0)) > 1 - 1e-4


def test_other_networks_are_searched_with_what_there_is(picture):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Skip().eval()
    gradients = capture_gradients(model, picture(), LABEL)
    recovery = reconstruct_image(model, without(gradients, "stem.weight", "stem.bias"), SHAPE, **FEW)
    assert recovery.method == "matching"
    assert "no layer reads the output of layer tanh" in recovery.reason
    full = reconstruct_image(model, gradients, SHAPE, iterations=150, seed=0)
    part = reconstruct_image(model, without(gradients, "fc.bias"), SHAPE, iterations=150, seed=0)
    assert abs(psnr(full.image, picture()) - psnr(part.image, picture())) < 3


@pytest.mark.parametrize("method", ["auto", "matching"])
def test_without_the_head_a_label_must_be_handed_in_or_learned(chain, picture, method):
    sent = without(capture_gradients(chain, picture(), LABEL), "5.weight", "5.bias")
    for mode in ("recovered", "hard"):
        with pytest.raises(OptionError) as refusal:
            reconstruct_image(chain, sent, SHAPE, method=method, label_mode=mode, **FEW)
        assert str(refusal.value) == (
            'label_mode: expected "learned", or "given" with a label, because the gradient of the last layer 5 was not '
            f"sent, got {mode!r}."
        )
    with pytest.raises(OptionError) as refusal:
        reconstruct_image(chain, sent, SHAPE, method=method, terms="gf", label_mode="given", label=LABEL, **FEW)
    assert str(refusal.value) == (
        'terms: expected "g", because the gradient of the last layer 5 was not sent and no feature was passed, got '
        "'gf'."
    )
    learned = reconstruct_image(chain, sent, SHAPE, method=method, label_mode="learned", **FEW)
    assert float(learned.soft_label.sum()) == pytest.approx(1)
    given = reconstruct_image(chain, sent, SHAPE, method=method, label_mode="given", label=LABEL, **FEW)
    assert torch.equal(given.soft_label, LABEL)
    feature = torch.ones(32)
    both = reconstruct_image(chain, sent, SHAPE, method="matching", terms="gf", label=LABEL, feature=feature, **FEW)
    assert torch.equal(both.soft_label, LABEL)
    with pytest.raises(NoExactRouteError, match=r"^the gradient of layer 5 was not sent, and the exact route needs"):
        reconstruct_image(chain, sent, SHAPE, method="analytic")
    with pytest.raises(NoExactRouteError, match=r"^the gradient of layer 5 was not sent, and the exact route needs"):
        reconstruct_image(chain, sent, SHAPE, method="analytic", label=LABEL, feature=feature)


@pytest.mark.parametrize("method", ["auto", "matching"])
def test_nothing_at_all_is_one_sentence(chain, picture, method):
    nothing = dict.fromkeys(capture_gradients(chain, picture(), LABEL))
    with pytest.raises(
        OptionError, match="gradients: expected at least one entry, got none; there is nothing to search"
    ):
        reconstruct_image(chain, nothing, SHAPE, method=method, label_mode="learned")
    with pytest.raises(OptionError, match="expected at least one entry, got none; capture a training step's gradient"):
        apply_defences(chain, nothing, [Clip(1.0)])


def test_inner_inputs_are_read_off_the_layers_that_sent_both_gradients(chain, picture):
    gradients = capture_gradients(chain, picture(), LABEL)
    options = MatchingOptions(iterations=1)
    assert match_gradients(chain, gradients, SHAPE, options, seed=0).inner_layers == ("3",)
    for name in ("3.weight", "3.bias"):
        assert match_gradients(chain, without(gradients, name), SHAPE, options, seed=0).inner_layers == ()


def test_label_recovery_does_without_the_layers_below(chain, picture):
    gradients = capture_gradients(chain, picture(), LABEL)
    for names in (("0.weight", "3.weight", "3.bias"), ("5.bias",), ("3.bias",), ("5.bias", "3.weight", "3.bias")):
        sent = without(gradients, *names)
        torch.testing.assert_close(recover_from_gradients(chain, sent).label, LABEL, atol=1e-4, rtol=0)
        assert diagnose(chain, sent).cause is Cause.NONE
        assert four_windows(chain, sent).status == "unique"
        assert diagnose_image(chain, sent, None, SHAPE).cause is Cause.NO_CHAIN


DEFENCES = [Clip(1.0), GaussianNoise(0.1), Prune(0.5), Quantise(8), Sign(), DropRows(0.3), PerturbFeature(0.2)]


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.name)
def test_defences_leave_out_what_is_missing(chain, picture, defence):
    gradients = capture_gradients(chain, picture(), LABEL)
    for names in (("0.weight", "0.bias"), ("5.weight",), ("5.bias", "3.weight")):
        sent = apply_defences(chain, without(gradients, *names), [defence], image=picture())
        assert list(sent) == [name for name in gradients if name not in names]
