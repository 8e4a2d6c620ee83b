"""Every defence does what its sentence says, in order, without a trace in its input; and texts that are no pipeline."""

import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradinv_core import capture_gradients, recover_label, smooth_label
from gradinv_core.datasets import load_dataset
from gradinv_core.defences import (
    DEFENCES,
    Clip,
    DropRows,
    GaussianNoise,
    LaplaceNoise,
    PerturbFeature,
    Prune,
    Quantise,
    Sign,
    WithholdHead,
    accountable_multiplier,
    apply_defences,
    privacy_spent,
    read_defences,
    write_defences,
)
from gradinv_core.defences.feature import feature_sensitivity
from gradinv_core.diagnosis import Cause, diagnose
from gradinv_core.errors import NonFiniteError, OptionError, ShapeError
from gradinv_core.head import observe_head
from gradinv_core.networks import build_network

MODEL = build_network("lenet_sigmoid", 10, head_bias=True)
IMAGE = load_dataset("photographs", 32)[3][0]
LABEL = smooth_label(3, 10, 0.1)
GRADIENTS = capture_gradients(MODEL, IMAGE, LABEL)


def norm(gradients):
    return math.sqrt(sum(float(gradient.double().square().sum()) for gradient in gradients.values()))


def defended(*defences, seed=0):
    before = {name: gradient.clone() for name, gradient in GRADIENTS.items()}
    sent = apply_defences(MODEL, GRADIENTS, defences, image=IMAGE, seed=seed)
    assert all(torch.equal(GRADIENTS[name], before[name]) for name in before)
    return sent


def test_without_defences_the_gradient_is_sent_as_it_is():
    sent = defended()
    assert all(torch.equal(sent[name], gradient) for name, gradient in GRADIENTS.items())
    assert all(sent[name].data_ptr() != gradient.data_ptr() for name, gradient in GRADIENTS.items())


def test_clipping_changes_the_length_alone():
    sent = defended(Clip(0.5 * norm(GRADIENTS)))
    for name, gradient in GRADIENTS.items():
        torch.testing.assert_close(sent[name], 0.5 * gradient)
    assert norm(defended(Clip(10 * norm(GRADIENTS)))) == pytest.approx(norm(GRADIENTS))


@pytest.mark.parametrize("kind", [GaussianNoise, LaplaceNoise])
def test_noise_has_the_size_it_announces(kind):
    for before, size in (((Clip(0.2),), 0.2), ((), norm(GRADIENTS))):
        quiet, sent = defended(*before), defended(*before, kind(0.01))
        added = torch.cat([(sent[name] - quiet[name]).flatten().double() for name in sent])
        assert float(added.std()) == pytest.approx(0.01 * size, rel=0.05)
        assert abs(float(added.mean())) < 0.05 * 0.01 * size
    tails = float(added.pow(4).mean() / added.square().mean() ** 2)
    assert tails == pytest.approx({GaussianNoise: 3.0, LaplaceNoise: 6.0}[kind], rel=0.2)
    again, other = defended(kind(0.01), seed=5), defended(kind(0.01), seed=6)
    assert all(torch.equal(again[name], defended(kind(0.01), seed=5)[name]) for name in again)
    assert not torch.equal(again["7.weight"], other["7.weight"])


def test_pruning_keeps_the_largest_entries():
    for name, gradient in defended(Prune(0.75)).items():
        kept = gradient != 0
        assert int(kept.sum()) == gradient.numel() - int(0.75 * gradient.numel())
        assert torch.equal(gradient[kept], GRADIENTS[name][kept])
        assert GRADIENTS[name][kept].abs().min() >= GRADIENTS[name][~kept].abs().max()


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rounding_is_to_the_nearest_of_few_levels(bits):
    for name, gradient in defended(Quantise(bits)).items():
        step = float(GRADIENTS[name].abs().max()) / (2 ** (bits - 1) - 1)
        assert len(gradient.unique()) <= 2**bits - 1
        assert float((gradient - GRADIENTS[name]).abs().max()) <= 0.5001 * step


def test_signs_keep_nothing_but_signs():
    for name, gradient in defended(Sign()).items():
        torch.testing.assert_close(gradient, GRADIENTS[name].sign() * GRADIENTS[name].abs().mean())


def test_dropped_rows_are_those_of_the_head_and_its_bias():
    sent = defended(DropRows(0.3))
    dropped = ~sent["7.weight"].any(1)
    assert int(dropped.sum()) == 3
    assert torch.equal(dropped, sent["7.bias"] == 0)
    assert torch.equal(sent["0.weight"], GRADIENTS["0.weight"])


def test_the_perturbed_features_are_those_that_say_most_about_the_image():
    sent = defended(PerturbFeature(0.1))
    hidden = ~sent["7.weight"].any(0)
    assert int(hidden.sum()) == 77
    feature, slope = feature_sensitivity(MODEL, "7", IMAGE)
    independent = torch.autograd.functional.jacobian(lambda image: MODEL[:-1](image[None])[0], IMAGE).flatten(1)
    torch.testing.assert_close(slope, independent.norm(dim=1).double(), rtol=1e-4, atol=1e-9)
    ratio = slope / feature.abs()
    assert ratio[hidden].max() <= ratio[~hidden].min()


def test_a_withheld_head_is_not_sent():
    assert set(GRADIENTS) - set(defended(WithholdHead())) == {"7.weight", "7.bias"}


def test_what_defences_do_is_what_the_diagnosis_finds():
    model = build_network("lenet_sigmoid", 10, seed=4)
    gradients = capture_gradients(model, IMAGE, LABEL)
    expected = {
        Clip(0.05): Cause.CLIPPED,
        GaussianNoise(1e-3): Cause.NOISY,
        LaplaceNoise(1e-3): Cause.NOISY,
        Prune(0.7): Cause.PRUNED,
        DropRows(0.3): Cause.PRUNED,
        Quantise(4): Cause.QUANTISED,
        Sign(): Cause.QUANTISED,
        WithholdHead(): Cause.WITHHELD,
    }
    for defence, cause in expected.items():
        assert diagnose(model, apply_defences(model, gradients, [defence], seed=1)).cause is cause


def test_clipping_alone_does_not_protect():
    for seed in range(25):
        model = build_network("lenet_sigmoid", 10, seed=seed)
        sent = apply_defences(model, capture_gradients(model, IMAGE, LABEL), [Clip(0.01)])
        view = observe_head(model, sent)
        answer = recover_label(view.weight, view.weight_grad, gradient_scale="unknown")
        assert float((answer.label - LABEL).abs().max()) < 1e-3


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_a_pipeline_survives_its_text(data):
    names = data.draw(st.lists(st.sampled_from(sorted(DEFENCES)), unique=True, max_size=6))
    chosen = []
    for name in names:
        spec = DEFENCES[name]
        value = data.draw(st.floats(spec.lowest, spec.highest)) if spec.parameter else None
        chosen.append(spec.build(round(value) if spec.whole and value is not None else value))
    assert read_defences(write_defences(chosen)) == tuple(chosen)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("vaccine:1", r"expected parts named clip, .* got 'vaccine:1'"),
        ("clip", "expected a part like 'clip:1', got 'clip'"),
        ("sign:2", "expected a part like 'sign', got 'sign:2'"),
        ("clip:lots", "expected a number behind 'clip'"),
        ("clip:-1", "expected a norm above 0"),
        ("clip:nan", "expected a norm above 0"),
        ("prune:1", "expected a share of entries above 0 and below 1"),
        ("quantise:1", "for a single bit use the defence 'sign'"),
        ("clip:1~clip:2", "each kind at most once, got clip twice"),
        ("~".join(list(DEFENCES)[:1] * 200), "at most 400 characters"),
    ],
)
def test_texts_that_are_no_pipeline_get_a_sentence(text, sentence):
    with pytest.raises(OptionError, match=sentence):
        read_defences(text)


def test_gradients_that_cannot_be_defended_get_a_sentence():
    with pytest.raises(OptionError, match="expected at least one entry, got none"):
        apply_defences(MODEL, {}, [Clip(1)])
    with pytest.raises(OptionError, match="expected names of the network's parameters, got extra"):
        apply_defences(MODEL, {"extra": torch.zeros(1)}, [Clip(1)])
    with pytest.raises(ShapeError, match=r"gradient 7\.bias"):
        apply_defences(MODEL, GRADIENTS | {"7.bias": torch.zeros(3)}, [Clip(1)])
    with pytest.raises(NonFiniteError, match=r"gradient 7\.bias"):
        apply_defences(MODEL, GRADIENTS | {"7.bias": torch.full((10,), math.nan)}, [Clip(1)])
    with pytest.raises(OptionError, match="expected the training image, got None"):
        apply_defences(MODEL, GRADIENTS, [PerturbFeature(0.1)])


def test_the_budget_is_the_accountants():
    """Without subsampling one Gaussian step has Renyi divergence order / (2 sigma^2); a bound follows at any order."""
    sigma, delta = 4.0, 1e-5
    spent = privacy_spent(sigma, 1.0, 1, delta)
    orders = [1 + step / 10 for step in range(1, 3000)]
    plain = min(order / (2 * sigma**2) - math.log(delta) / (order - 1) for order in orders)
    assert 0.5 * plain < spent <= plain + 1e-9
    assert spent < privacy_spent(sigma, 1.0, 10, delta) < privacy_spent(sigma / 2, 1.0, 10, delta)
    assert privacy_spent(sigma, 0.01, 10, delta) < privacy_spent(sigma, 1.0, 10, delta)


def test_only_gaussian_noise_after_a_clip_has_a_budget():
    assert accountable_multiplier([Clip(1), GaussianNoise(2)]) == 2
    assert accountable_multiplier([Clip(1), GaussianNoise(2), Quantise(8)]) == 2
    for pipeline in ([GaussianNoise(2)], [GaussianNoise(2), Clip(1)], [Clip(1), LaplaceNoise(2)], [Clip(1)], []):
        assert accountable_multiplier(pipeline) is None


def test_without_the_accountant_the_budget_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus.accountants", None)
    with pytest.raises(OptionError, match=r"pip install 'gradinv\[privacy\]'"):
        privacy_spent(1.0, 1.0, 1, 1e-5)
    with pytest.raises(OptionError, match="noise_multiplier: expected a number above 0, got 0"):
        privacy_spent(0, 1.0, 1, 1e-5)


def test_noise_does_not_resemble_weights_drawn_with_the_same_seed():
    model = build_network("fcn_small", 10, seed=3)
    zeros = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    ones = {name: value + 1 for name, value in zeros.items()}
    noise = apply_defences(model, ones, [GaussianNoise(1.0)], seed=3)
    pairs = [(noise[name].flatten(), value.detach().flatten()) for name, value in model.named_parameters()]
    sent, weights = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    assert abs(float(torch.corrcoef(torch.stack([sent, weights]))[0, 1])) < 0.02
