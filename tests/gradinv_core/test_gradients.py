"""The one door: whatever a client sends ends under the network's own names, or in one sentence."""

import time

import numpy as np
import opacus
import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image, recover_from_gradients
from gradinv_core.aware import attack_defended, recover_defended, undo_scale
from gradinv_core.defences import Clip, apply_defences
from gradinv_core.diagnosis import Cause, diagnose, diagnose_image
from gradinv_core.diagnosis.traces import scale_invariance
from gradinv_core.errors import GradientInversionError, NonFiniteError, OptionError, ShapeError
from gradinv_core.gradients import gradient_entry, read_gradients
from gradinv_core.head import observe_head
from gradinv_core.image_recovery.deep_evidence import layer_below
from gradinv_core.image_recovery.matching import MatchingOptions, match_gradients
from gradinv_core.networks import build_network
from gradinv_core.windows import four_windows

LABEL = mixup_label(3, 5, 10, 0.65, 0.1)
SHAPE = (3, 8, 8)


def picture():
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def model():
    layers = nn.Flatten(), nn.Linear(192, 32), nn.Sigmoid(), nn.Linear(32, 10, bias=False)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(*layers).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def gradients(model):
    return capture_gradients(model, picture(), LABEL)


class Normalised(nn.Module):
    """A class of its own, with buffers, and with a layer inside another."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sigmoid())
        self.fc = nn.Linear(144, 10)

    def forward(self, batch):
        return self.fc(self.stem(batch).flatten(1))


@pytest.fixture(scope="module")
def normalised():
    return Normalised().eval()


def same(read, gradients, prefix=""):
    assert list(read) == [prefix + name for name in gradients]
    return all(torch.equal(read[prefix + name], gradient) for name, gradient in gradients.items())


FORMS = {
    "as they are": dict,
    "list": lambda g: list(g.values()),
    "tuple": lambda g: tuple(g.values()),
    "values of a mapping": lambda g: g.values(),
    "generator": lambda g: (value for value in g.values()),
    "pairs": lambda g: list(g.items()),
    "numpy": lambda g: {name: value.numpy() for name, value in g.items()},
    "numpy of another machine": lambda g: {name: value.numpy().astype(">f4") for name, value in g.items()},
    "nested lists": lambda g: [value.tolist() for value in g.values()],
    "one sample each": lambda g: {name: value[None] for name, value in g.items()},
    "sparse": lambda g: {name: value.to_sparse() for name, value in g.items()},
    "parameters": lambda g: {name: nn.Parameter(value) for name, value in g.items()},
    "parallel": lambda g: {f"module.{name}": value for name, value in g.items()},
    "compiled": lambda g: {f"_orig_mod.{name}": value for name, value in g.items()},
    "opacus": lambda g: {f"_module.{name}": value[None] for name, value in g.items()},
    "both": lambda g: {f"module._orig_mod.{name}": value for name, value in g.items()},
    "a prefix of one's own": lambda g: {f"client.model.{name}": value for name, value in g.items()},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_as_the_same(model, gradients, form):
    read = read_gradients(model, FORMS[form](gradients))
    assert same(read, gradients)
    assert all(value.dtype == torch.float32 and not value.requires_grad for value in read.values())
    again = read_gradients(model, read)
    assert all(again[name] is read[name] for name in read)


@pytest.mark.parametrize("form", FORMS)
def test_every_public_function_reads_through_the_door(model, gradients, form):
    """Each answer is the one that the plain mapping gets."""
    sent = lambda: FORMS[form](gradients)  # noqa: E731 - a generator serves once
    assert torch.equal(observe_head(model, sent()).weight_grad, gradients["3.weight"])
    assert torch.equal(recover_from_gradients(model, sent()).label, recover_from_gradients(model, gradients).label)
    assert layer_below(model, sent()) == layer_below(model, gradients)
    assert diagnose(model, sent()) == diagnose(model, gradients)
    assert diagnose_image(model, sent(), None, SHAPE).message == diagnose_image(model, gradients, None, SHAPE).message
    assert scale_invariance(model, sent()) == {}
    assert four_windows(model, sent()) == four_windows(model, gradients)
    assert same(apply_defences(model, sent(), [Clip(0.1)]), apply_defences(model, gradients, [Clip(0.1)]))
    answer = recover_defended(model, sent(), [Clip(100.0)])
    assert torch.equal(answer.label, recover_defended(model, gradients, [Clip(100.0)]).label)
    assert same(undo_scale(model, sent(), answer), undo_scale(model, gradients, answer))
    assert same(attack_defended(model, sent()).gradients, gradients)
    assert torch.equal(reconstruct_image(model, sent(), SHAPE).image, reconstruct_image(model, gradients, SHAPE).image)
    search = MatchingOptions(iterations=2)
    assert torch.equal(
        match_gradients(model, sent(), SHAPE, search, seed=0).image,
        match_gradients(model, gradients, SHAPE, search, seed=0).image,
    )


WRAPPERS = {
    "module.": nn.DataParallel,
    "_orig_mod.": torch.compile,
    "module._orig_mod.": lambda model: nn.DataParallel(torch.compile(model)),
}


@pytest.mark.parametrize("prefix", WRAPPERS)
def test_a_wrapped_network_reads_plain_names_and_is_attacked_all_the_same(model, gradients, prefix):
    wrapped = WRAPPERS[prefix](model)
    assert same(read_gradients(wrapped, gradients), gradients, prefix)
    assert same(
        read_gradients(wrapped, {f"_module.{name}": value for name, value in gradients.items()}), gradients, prefix
    )
    plain = reconstruct_image(model, gradients, SHAPE)
    assert torch.equal(reconstruct_image(wrapped, gradients, SHAPE).image, plain.image)
    assert torch.equal(reconstruct_image(wrapped, gradients, SHAPE, head="3").image, plain.image)
    short = {"method": "matching", "iterations": 2, "seed": 0}
    searched = reconstruct_image(wrapped, read_gradients(wrapped, gradients), SHAPE, **short)
    assert torch.equal(searched.image, reconstruct_image(model, gradients, SHAPE, **short).image)
    assert diagnose(wrapped, gradients).cause is Cause.NONE
    assert list(apply_defences(wrapped, gradients, [Clip(1.0)])) == [prefix + name for name in gradients]


def test_a_network_that_opacus_follows_can_be_copied_and_searched(gradients):
    layers = nn.Flatten(), nn.Linear(192, 32), nn.Sigmoid(), nn.Linear(32, 10, bias=False)
    followed = opacus.GradSampleModule(nn.Sequential(*layers))
    sent = capture_gradients(followed, picture(), LABEL)
    assert list(sent) == [f"_module.{name}" for name in gradients]
    plain = {name.removeprefix("_module."): value for name, value in sent.items()}
    assert reconstruct_image(followed, plain, SHAPE).method == "analytic"
    assert reconstruct_image(followed, plain, SHAPE, method="matching", iterations=2).method == "matching"
    assert len(followed._module[1]._forward_hooks) == 1  # the caller's own are still there


def test_layers_compiled_one_by_one_are_read_too():
    inner = nn.Linear(4, 4)
    model = nn.Sequential(torch.compile(inner), nn.Linear(4, 3))
    read = read_gradients(model, {"0.weight": torch.ones(4, 4), "1.bias": torch.ones(3)})
    assert list(read) == ["0._orig_mod.weight", "1.bias"]


def test_a_network_may_use_a_wrappers_word_itself():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.module, self.weight = nn.Linear(2, 2, bias=False), nn.Parameter(torch.ones(3))

    sent = {"module.weight": torch.ones(2, 2), "weight": torch.zeros(3)}
    assert same(read_gradients(Own(), sent), sent)
    assert list(read_gradients(Own(), {f"net.{name}": value for name, value in sent.items()})) == list(sent)


def test_the_models_own_prefix_may_be_missing(gradients):
    outer = nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(192, 32), nn.Sigmoid(), nn.Linear(32, 10, bias=False)))
    assert same(read_gradients(outer, gradients), gradients, "0.")
    assert same(read_gradients(outer, {f"net.{name}": value for name, value in gradients.items()}), gradients, "0.")


@pytest.mark.parametrize("form", ["mapping", "list", "prefixed"])
def test_a_whole_state_dict_loses_its_buffers(normalised, form):
    state = {name: value.clone() for name, value in normalised.state_dict().items()}
    assert {"stem.1.running_var", "stem.1.num_batches_tracked"} < set(state)
    sent = {
        "mapping": state,
        "list": [value.numpy() for value in state.values()],
        "prefixed": {f"module.{name}": value for name, value in state.items()},
    }[form]
    assert same(read_gradients(normalised, sent), dict(normalised.named_parameters()))


def test_statistics_that_the_network_does_not_keep_are_set_aside(model, gradients):
    assert same(read_gradients(model, gradients | {"1.num_batches_tracked": torch.tensor(3)}), gradients)


def test_what_was_not_sent_is_left_out(model, gradients):
    rest = {"1.bias": gradients["1.bias"], "3.weight": gradients["3.weight"]}
    assert same(read_gradients(model, gradients | {"1.weight": None}), rest)
    assert same(read_gradients(model, [None, *rest.values()]), rest)
    assert same(read_gradients(model, {"module.1.weight": None, **{f"module.{k}": v for k, v in rest.items()}}), rest)
    assert read_gradients(model, {}) == {}


def test_a_network_that_knows_its_frozen_layers_reads_the_others():
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    model[0].requires_grad_(False)
    assert list(read_gradients(model, [torch.ones(2, 3), torch.ones(2)])) == ["1.weight", "1.bias"]


def test_shared_weights_keep_both_names():
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    model[1].weight = model[0].weight
    assert list(read_gradients(model, {"0.weight": torch.ones(3, 3), "1.weight": torch.ones(3, 3)})) == [
        "0.weight",
        "1.weight",
    ]
    assert list(read_gradients(model, [torch.ones(3, 3)])) == ["0.weight"]


def test_types_are_kept_or_made_floating():
    model = nn.Linear(2, 3, bias=False)
    for value, dtype in (
        (torch.ones(3, 2, dtype=torch.float64), torch.float64),
        (torch.ones(3, 2, dtype=torch.bfloat16), torch.bfloat16),
        (np.ones((3, 2), dtype=np.float16), torch.float16),
        (torch.ones(3, 2, dtype=torch.int8), torch.float64),
        ([[1, 2], [3, 4], [5, 6]], torch.float32),
        ([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], torch.float64),  # none of them a number of float32
    ):
        assert read_gradients(model, [value])["weight"].dtype == dtype
    frozen = np.ones((3, 2), dtype=np.float32)
    frozen.setflags(write=False)
    assert read_gradients(model, [frozen])["weight"].sum() == 6  # without torch's warning about such memory


WRONG = {
    "strangers": (
        OptionError,
        lambda g: g | {"classifier.weight": g["3.weight"], "aux": torch.ones(1)},
        r"^gradients: expected names of the network's parameters, got classifier\.weight \(closest: 3\.weight\), "
        r"aux; rename them, or leave out what is not the network's\.$",
    ),
    "a renamed head": (
        OptionError,
        lambda g: {"1.weight": g["1.weight"], "1.bias": g["1.bias"], "classifier.weight": g["3.weight"]},
        r"got classifier\.weight \(closest: 3\.weight\); rename them",
    ),
    "many strangers": (
        OptionError,
        lambda _: {f"x{index}": torch.ones(7) for index in range(9)},
        r"got x0, x1, x2 and 6 more; rename them",
    ),
    "a short list": (
        ShapeError,
        lambda g: list(g.values())[:2],
        r"^gradients: expected a list of 3, one for each parameter in order, got 2; put None where a frozen layer "
        r"sends nothing, or pass \{parameter name: gradient\}\.$",
    ),
    "a list in another order": (
        ShapeError,
        lambda g: list(g.values())[::-1],
        r"^gradient 1\.weight: expected shape \(32, 192\), got \(10, 32\); gradient and network must belong",
    ),
    "a transposed kernel": (
        ShapeError,
        lambda g: g | {"3.weight": g["3.weight"].T},
        r"^gradient 3\.weight: expected shape \(10, 32\), got \(32, 10\); that is its transpose, as a kernel stored "
        r"\(features, classes\) has it, so pass its \.T\.$",
    ),
    "several samples": (
        ShapeError,
        lambda g: {name: torch.stack([value] * 8) for name, value in g.items()},
        r"^gradient 1\.weight: expected shape \(32, 192\), got \(8, 32, 192\); those are 8 gradients of one sample "
        r"each, so pass one of them\.$",
    ),
    "a word": (
        ShapeError,
        lambda g: g | {"1.bias": "zero"},
        r"^gradient 1\.bias: expected a tensor, a numpy array or nested lists of real numbers, got str\.$",
    ),
    "ragged lists": (ShapeError, lambda g: g | {"1.bias": [[1], [2, 3]]}, r"^gradient 1\.bias: expected an array of"),
    "complex": (
        ShapeError,
        lambda g: g | {"1.bias": torch.ones(32, dtype=torch.complex64)},
        r"^gradient 1\.bias: expected real numbers, got complex ones\.$",
    ),
    "numbers as names": (
        OptionError,
        lambda g: dict(enumerate(g.values())),
        r"^gradients: expected parameter names as keys, got 0; pass \{parameter name: gradient\}, or a list in the",
    ),
    "nothing": (
        OptionError,
        lambda _: None,
        r"^gradients: expected a mapping or a list, got NoneType; pass \{parameter name: gradient\}, or a list in the "
        r"order of the network's parameters\.$",
    ),
    "one tensor": (OptionError, lambda g: g["3.weight"], r"^gradients: expected a mapping or a list, got Tensor; pass"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_paired_is_one_sentence(model, gradients, case):
    error, build, message = WRONG[case]
    for function in (read_gradients, observe_head, diagnose, four_windows, recover_defended, recover_from_gradients):
        with pytest.raises(error, match=message):
            function(model, build(gradients))
    with pytest.raises(error, match=message):
        apply_defences(model, build(gradients), [])
    with pytest.raises(error, match=message):
        reconstruct_image(model, build(gradients), SHAPE)


def test_a_kernel_of_a_convolution_stored_the_other_way_round(normalised):
    sent = torch.ones(3, 3, 3, 4)  # (height, width, in, out)
    with pytest.raises(ShapeError, match=r"that is a kernel stored \(height, width, in, out\), so pass its \.permute"):
        read_gradients(normalised, {"stem.0.weight": sent})
    assert read_gradients(normalised, {"stem.0.weight": sent.permute(3, 2, 0, 1)})["stem.0.weight"].shape == (
        4,
        3,
        3,
        3,
    )


def test_the_diagnosis_never_calls_a_renamed_layer_withheld(model, gradients):
    kept = {name: value for name, value in gradients.items() if name != "3.weight"}
    told = diagnose(model, kept)
    assert told.cause is Cause.WITHHELD
    assert told.message == "The gradients hold no entry 3.weight: the last layer was not sent."
    for name in ("head.weight", "3.kernel", "out.w"):
        with pytest.raises(OptionError, match=rf"got {name} \(closest: 3\.weight\)"):
            diagnose(model, kept | {name: gradients["3.weight"]})
    assert diagnose(model, {f"net.{name}": value for name, value in gradients.items()}).cause is Cause.NONE


def test_numbers_are_looked_at_where_they_are_used(model, gradients):
    broken = gradients | {"1.bias": torch.full((32,), torch.nan)}
    assert read_gradients(model, broken)["1.bias"].isnan().all()
    assert torch.equal(observe_head(model, broken).weight_grad, gradients["3.weight"])
    with pytest.raises(NonFiniteError, match=r"^gradient 1\.bias: expected finite numbers, got NaN or infinity\.$"):
        gradient_entry(broken, "1.bias", torch.Size([32]))
    with pytest.raises(NonFiniteError, match=r"gradient 1\.bias: expected finite numbers"):
        apply_defences(model, broken, [])
    with pytest.raises(
        OptionError, match=r"^gradients: expected an entry 3\.bias, got 1\.weight, 1\.bias, 3\.weight; send"
    ):
        gradient_entry(gradients, "3.bias", torch.Size([10]))


def test_no_form_ends_in_a_crash(model):
    """Anything else is refused with one of our own errors."""
    for odd in (
        3,
        "gradient",
        b"x",
        {1, 2},
        [],
        {},
        [[]],
        [None] * 3,
        [3, 4, 5],
        {"": None},
        {"3.weight": {}},
        object(),
    ):
        for function in (observe_head, recover_from_gradients, four_windows):
            with pytest.raises(GradientInversionError):
                function(model, odd)


def test_reading_what_fits_costs_next_to_nothing():
    """No entry is touched: the time does not grow with the gradient."""
    model = build_network("resnet18", 10)
    gradients = {name: torch.zeros_like(value) for name, value in model.named_parameters()}
    read = read_gradients(model, gradients)
    assert all(read[name] is value for name, value in gradients.items())
    times = []
    for _ in range(20):
        started = time.perf_counter()
        read_gradients(model, gradients)
        times.append(time.perf_counter() - started)
    assert min(times) < 5e-3  # 0.2 ms on a quiet machine; copying 11 million numbers takes longer
