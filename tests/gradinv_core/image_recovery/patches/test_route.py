"""The picture of a vision transformer: exact where equations allow, honest where they do not, refused elsewhere."""

import pytest
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, reconstruct_image
from gradinv_core.client import capture_batch_gradients
from gradinv_core.datasets import load_dataset
from gradinv_core.diagnosis import Cause, diagnose_image
from gradinv_core.errors import MisfitError, NoExactRouteError, NonFiniteError
from gradinv_core.image_recovery import Leak
from gradinv_core.metrics import psnr
from gradinv_core.networks import build_network, scale_weights

LABEL = torch.as_tensor(mixup_label(3, 5, 10, 0.65, 0.1))
OTHER = torch.as_tensor(mixup_label(1, 2, 10, 0.8, 0.1))
SHAPE = (3, 32, 32)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FEW = {"iterations": 2, "seed": 0}


def within(recovery, image, sigmas=2.0):
    return float(((recovery.image - image).abs() <= sigmas * recovery.std).double().mean())


def noisy(gradients, level, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + level * value.square().mean().sqrt() * torch.randn(value.shape, generator=generator)
        for name, value in gradients.items()
    }


@pytest.mark.parametrize("index", range(2))
def test_ours_gives_its_picture_and_its_label_away(index):
    model = build_network("vit_small", 10, seed=index)
    image, _ = load_dataset(("photographs", "digits")[index], 32)[7]
    told = []
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), SHAPE, on_step=told.append)
    assert recovery.method == "analytic"
    assert psnr(recovery.image, image) > 75
    assert 0.85 <= within(recovery, image) <= 0.995
    torch.testing.assert_close(recovery.soft_label, LABEL.double(), atol=1e-4, rtol=0)
    assert not recovery.rests_on_label
    (layer,) = recovery.layers
    assert (layer.name, layer.kind) == ("patch_embed", "patches, 3 x 32 x 32 to 96 x 8 x 8")
    assert (layer.unknowns, layer.equations, layer.rank) == (3072, 96 * 48, 3072)
    assert layer.leak is Leak.EXACT
    assert layer.residual < 1e-6
    assert recovery.reason == (
        "The gradient of the learned positions is the loss gradient at every patch, so linear algebra turns the patch "
        "layer's gradient into the picture; no label is needed."
    )
    titles = [step.title for step in recovery.steps]
    parts = [f"Patches, by the clearest {count} of 64 directions" for count in (16, 32, 48)]
    assert titles == ["Last-layer feature", *parts, "Image"]
    assert [step.title for step in told] == titles
    assert torch.equal(recovery.steps[-1].value, recovery.image)


def test_torchvisions_class_does_too(torchvisions, photo):
    model = torchvisions()
    recovery = reconstruct_image(model, capture_gradients(model, photo(), LABEL), SHAPE)
    assert psnr(recovery.image, photo()) > 100
    assert 0.9 <= within(recovery, photo()) <= 0.99


@pytest.mark.parametrize(
    "options",
    [{"tokens": 0}, {"tokens": 3}, {"behind": True}, {"bias": False}, {"late_norm": True}, {"scale": 5.0}],
    ids=lambda options: next(iter(options)),
)
def test_and_so_does_whatever_people_write(transformer, photo, options):
    model = transformer(**options)
    recovery = reconstruct_image(model, capture_gradients(model, photo(), LABEL), SHAPE)
    assert psnr(recovery.image, photo()) > 95
    assert 0.9 <= within(recovery, photo()) <= 0.99


def test_any_range_of_pixels(transformer, photo):
    model, image = transformer(), photo()
    told = {"mean": MEAN, "std": STD}
    gradients = capture_gradients(model, image, LABEL, **told)
    recovery = reconstruct_image(model, gradients, SHAPE, **told)
    assert psnr(recovery.image, image) > 95
    assert 0.9 <= within(recovery, image) <= 0.99
    ranged = reconstruct_image(model, capture_gradients(model, 2 * image - 1, LABEL), SHAPE, pixel_range=(-1, 1))
    assert psnr((ranged.image + 1) / 2, image) > 95
    untold = reconstruct_image(model, gradients, SHAPE)
    assert "% of the pixels lie outside [0, 1], from " in untold.reason


def test_a_sum_of_several_steps_on_one_picture_serves_as_well(transformer, photo):
    parts = [capture_gradients(transformer(seed=seed), photo(), label) for seed, label in ((0, LABEL), (1, OTHER))]
    summed = {name: parts[0][name] + 0.5 * parts[1][name] for name in parts[0]}
    recovery = reconstruct_image(transformer(), summed, SHAPE)
    assert psnr(recovery.image, photo()) > 95


def test_no_label_is_needed(transformer, photo):
    model = transformer()
    gradients = capture_gradients(model, photo(), LABEL)
    without = {name: value for name, value in gradients.items() if not name.startswith("head")}
    recovery = reconstruct_image(model, without, SHAPE, method="analytic")
    assert psnr(recovery.image, photo()) > 100
    assert recovery.label is recovery.soft_label is None
    assert "The last layer gives no label: Gradients: expected an entry head.weight" in recovery.reason
    alone = reconstruct_image(model, gradients, SHAPE, label=LABEL)
    assert alone.method == "analytic"
    assert torch.equal(alone.soft_label, LABEL.double())


def test_as_many_patches_as_numbers_leave_one_direction_open(torchvisions, photo):
    model, image = torchvisions(size=16, patch=4, width=16), photo(size=16)
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), (3, 16, 16))
    (layer,) = recovery.layers
    assert layer.rank == 15 * 48
    assert "which determines 94% of the picture" in recovery.reason
    assert psnr(recovery.image, image) > 35
    assert within(recovery, image) >= 0.9


def test_one_number_more_determines_the_picture_but_tests_nothing(torchvisions, photo):
    model = torchvisions(patch=4, width=66)
    assert "tests" not in reconstruct_image(model, capture_gradients(model, photo(), LABEL), SHAPE).reason
    model = without_norm()
    recovery = reconstruct_image(model, capture_gradients(model, photo(), LABEL), SHAPE)
    assert recovery.layers[0].rank == 3072
    assert (
        "With 64 patches and positions of 64 numbers no equation is left over, so nothing tests whether it is the "
        "gradient of one sample." in recovery.reason
    )
    assert psnr(recovery.image, photo()) > 60


def without_norm():
    class Plain(nn.Module):
        """Attention in its simplest form, without a norm that would make every row of the gradient sum to zero."""

        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 64, 4, 4)
            self.positions = nn.Parameter(torch.randn(64, 64))
            self.query, self.value, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

        def forward(self, images):
            tokens = self.patches(images).flatten(2).transpose(1, 2) + self.positions
            tokens = nn.Dropout(0.0)(tokens)
            shares = torch.softmax(self.query(tokens) @ tokens.transpose(1, 2), -1)
            return self.head(torch.tanh(tokens + shares @ self.value(tokens)).mean(1))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Plain().eval()


def test_more_patches_than_numbers_are_completed(torchvisions, photo):
    model, image = torchvisions(size=16, patch=4, width=12), photo(size=16)
    gradients = capture_gradients(model, image, LABEL)
    recovery = reconstruct_image(model, gradients, (3, 16, 16))
    (layer,) = recovery.layers
    assert layer.rank == 11 * 48
    assert layer.leak is Leak.ALMOST
    assert layer.completed
    assert psnr(recovery.image, image) > 20
    assert within(recovery, image) >= 0.9
    assert diagnose_image(model, gradients, recovery, (3, 16, 16)).cause is Cause.RANK_DEFICIENT


def test_a_large_picture_with_open_directions_has_bars_for_them(torchvisions):
    image, _ = load_dataset("photographs", 72)[3]
    model = torchvisions(size=72, patch=8, width=64)
    recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), (3, 72, 72))
    (layer,) = recovery.layers
    assert not layer.completed
    assert layer.rank == 63 * 192
    assert recovery.reason.endswith(
        "which determines 78% of the picture, and of the rest how much patches differ; the error bars show what that "
        "leaves open."
    )
    assert within(recovery, image) >= 0.9


@pytest.mark.parametrize("level", [1e-5, 1e-4, 1e-3])
def test_error_bars_hold_under_noise(transformer, level):
    model = transformer()
    image, _ = load_dataset("photographs", 32)[11]
    recovery = reconstruct_image(model, noisy(capture_gradients(model, image, LABEL), level), SHAPE)
    assert "may be noise, or several samples; then the picture is an average of theirs" in recovery.reason
    assert recovery.std is not None
    assert 0.9 <= within(recovery, image) <= 0.995


def test_clients_that_compute_at_lower_precision(transformer):
    model = transformer()
    image, _ = load_dataset("photographs", 32)[11]
    with torch.autocast("cpu", torch.bfloat16):
        loss = -(LABEL * torch.log_softmax(model(image[None])[0].float(), 0)).sum()
    names, parameters = zip(*model.named_parameters(), strict=True)
    gradients = dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))
    recovery = reconstruct_image(model, gradients, SHAPE)
    assert psnr(recovery.image, image) > 25
    assert within(recovery, image) >= 0.9


def test_short_products_are_told_from_nothing_but_named(transformer, photo):
    model = transformer()
    gradients = capture_gradients(model, photo(), LABEL)
    name, delta = "patch_embed.proj.weight", gradients["pos_embed"][0, 1:]
    mantissa, exponent = torch.frexp(delta)
    short = torch.ldexp((mantissa * 2**11).round() / 2**11, exponent)  # as graphics cards multiply
    patches = torch.nn.functional.unfold(photo()[None], 8, stride=8)[0]
    recovery = reconstruct_image(model, gradients | {name: (patches @ short).T.reshape(gradients[name].shape)}, SHAPE)
    assert psnr(recovery.image, photo()) > 40
    assert within(recovery, photo()) >= 0.9
    assert "the client computed at lower precision, or the gradient is that of several samples" in recovery.reason


@pytest.mark.parametrize("gain", [10.0, 30.0])
def test_error_bars_hold_where_attention_is_saturated(gain):
    """Then gradients of many patches all but vanish, and rounding drowns them: of one picture much or little."""
    shares = []
    for index in range(24):
        model = build_network("vit_small", 10, seed=index)
        scale_weights(model, hidden=gain)
        image, _ = load_dataset(("photographs", "digits")[index % 2], 32)[5 + index]
        recovery = reconstruct_image(model, capture_gradients(model, image, LABEL), SHAPE)
        assert not recovery.layers[0].completed
        shares.append(within(recovery, image))
    assert 0.88 <= sum(shares) / len(shares) <= 0.995


def test_far_too_much_noise_leaves_no_bars_or_no_picture(transformer, photo):
    model = transformer()
    gradients = noisy(capture_gradients(model, photo(), LABEL), 0.1)
    recovery = reconstruct_image(model, gradients, SHAPE, **FEW)
    if recovery.method == "analytic":
        assert recovery.std is None or within(recovery, photo()) > 0.9
        assert recovery.std is not None or "No error bars" in recovery.reason


@pytest.mark.parametrize("bias", [True, False])
def test_a_batch_is_refused(transformer, photo, bias):
    model = transformer(bias=bias)
    gradients = capture_batch_gradients(model, [photo(0), photo(1)], [LABEL, OTHER])
    with pytest.raises(MisfitError) as refusal:
        reconstruct_image(model, gradients, SHAPE, method="analytic")
    assert str(refusal.value).startswith(
        "gradient patch_embed.proj.weight: expected the product of the gradient of pos_embed and the patches of one "
        "picture, got one that misses every such product by "
    )
    assert "It may be several samples in one gradient" in str(refusal.value)
    searched = reconstruct_image(model, gradients, SHAPE, label=LABEL, label_mode="given", **FEW)
    assert searched.method == "matching"
    assert searched.reason.startswith("Gradient patch_embed.proj.weight: expected the product")


def test_what_was_not_sent_is_named_and_the_rest_is_matched(transformer, photo):
    model = transformer()
    gradients = capture_gradients(model, photo(), LABEL)
    for name in ("pos_embed", "patch_embed.proj.weight"):
        sent = {key: value for key, value in gradients.items() if key != name}
        with pytest.raises(NoExactRouteError) as refusal:
            reconstruct_image(model, sent, SHAPE, method="analytic")
        assert str(refusal.value) == (
            f"the gradient of {name} was not sent, and the exact route needs that of the positions pos_embed and of "
            f"the patch layer patch_embed.proj; gradient matching does with those that were sent."
        )
        assert reconstruct_image(model, sent, SHAPE, **FEW).method == "matching"
    without_bias = {key: value for key, value in gradients.items() if key != "patch_embed.proj.bias"}
    assert psnr(reconstruct_image(model, without_bias, SHAPE).image, photo()) > 100


def test_numbers_that_are_none_and_gradients_that_are_nothing(transformer, photo):
    model = transformer()
    gradients = capture_gradients(model, photo(), LABEL)
    for name in ("pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"):
        spoiled = gradients[name].clone()
        spoiled.view(-1)[0] = torch.nan
        with pytest.raises(NonFiniteError, match=f"gradient {name}: expected finite numbers, got NaN or infinity"):
            reconstruct_image(model, gradients | {name: spoiled}, SHAPE)
    nothing = {name: torch.zeros_like(value) for name, value in gradients.items()}
    with pytest.raises(NoExactRouteError, match="gradient: expected one that is not zero"):
        reconstruct_image(model, nothing, SHAPE)
    with pytest.raises(NoExactRouteError, match="no gradient reaches the patches: that of pos_embed or"):
        reconstruct_image(model, nothing | {"head.weight": gradients["head.weight"]}, SHAPE, method="analytic")


def test_positions_that_are_used_elsewhere_too_are_found_out(transformer, photo):
    model = transformer()
    gradients = capture_gradients(model, photo(), LABEL)
    changed = gradients["pos_embed"] + gradients["pos_embed"].roll(5, 1)
    with pytest.raises(
        NoExactRouteError, match=r"that of pos_embed differs from that of patch_embed\.proj\.bias by \d+%"
    ):
        reconstruct_image(model, gradients | {"pos_embed": changed}, SHAPE, method="analytic")


def test_a_transformer_without_learned_positions_says_where_the_route_ends(transformer, photo):
    model = transformer(learned=False)
    gradients = capture_gradients(model, photo(), LABEL)
    with pytest.raises(NoExactRouteError, match=r"forward of Transformer .* but no learned position was found"):
        reconstruct_image(model, gradients, SHAPE, method="analytic")
    recovery = reconstruct_image(model, gradients, SHAPE, **FEW)
    assert recovery.method == "matching"
    assert "sinusoidal, rotary and relative positions have none. Gradient matching:" in recovery.reason


def test_a_stop_leaves_a_grey_picture(transformer, photo):
    model = transformer()
    recovery = reconstruct_image(model, capture_gradients(model, photo(), LABEL), SHAPE, stop=lambda: True)
    assert recovery.stopped
    assert recovery.reason == "Patch by patch, by linear algebra; stopped before the image was reached."
    assert torch.equal(recovery.image, torch.full(SHAPE, 0.5, dtype=torch.float64))
