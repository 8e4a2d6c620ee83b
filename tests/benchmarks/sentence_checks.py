"""A checker for every kind of sentence: what must be true of the world for it to be said.

Each returns True where the sentence holds. They compute everything anew, from the client's side, with NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from sentence_walk import World
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from dashboard.claims import Claim, Kind
from dashboard.claims.server import TAMPERED
from dashboard.sections.shared.cards import card_of
from gradinv_core.defences import read_defences
from gradinv_core.diagnosis import Cause
from gradinv_core.metrics import psnr

Checker = Callable[[Claim, World], bool]


def names(world: World) -> set[str]:
    return {defence.name for defence in read_defences(world.scenario.defences)}


def changed(world: World) -> bool:
    return world.client.change > 0 or world.scenario.samples > 1 or world.scenario.batch_norm == "training"


def informed(world: World) -> bool:
    return world.scenario.aware and bool(names(world))


def label_off(world: World, found: torch.Tensor | None = None) -> float:
    label = world.attack.recovery.label if found is None else found
    return float(np.abs(label.numpy() - world.client.mean.label.numpy()).max())


def feature_off(world: World, found: torch.Tensor | None = None) -> float:
    feature = (world.attack.recovery.feature if found is None else found).double().numpy()
    true = world.client.mean.feature.double().numpy()
    return float(np.linalg.norm(feature - true) / np.linalg.norm(true))


def cosine(first: torch.Tensor, second: torch.Tensor) -> float:
    one, other = first.double().numpy().ravel(), second.double().numpy().ravel()
    sizes = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / sizes) if sizes else 0.0


def feature_cosine(world: World) -> float:
    return cosine(world.attack.recovery.feature, world.client.mean.feature)


def true_scale(world: World) -> float:
    row = world.attack.head.row_gradient[0]
    return float(world.client.mean.feature.double().numpy() @ row / (row @ row))


def within(scale: float, intervals: list[tuple[float, float]], slack: float = 1.1e-3) -> bool:
    return any(low - slack * abs(low) <= scale <= high + slack * abs(high) for low, high in intervals)


def condition_broken(condition: str, world: World) -> bool:
    """Whether what an answer says it rests on is not so in this world."""
    return bool(condition) and changed(world)


def unique(claim: Claim, world: World) -> bool:
    right = label_off(world) <= 1e-3 and feature_off(world) <= 1e-2
    return right or condition_broken(claim.note, world)


def misled(_claim: Claim, world: World) -> bool:
    answers = [world.attack.recovery, *([world.recovery.label] if world.recovery is not None else [])]
    return any(
        answer is not None and (label_off(world, answer.label) > 1e-3 or feature_off(world, answer.feature) > 1e-2)
        for answer in answers
    )


def gradient_changed(claim: Claim, world: World) -> bool:
    expected = {
        Cause.QUANTISED: {"quantise", "sign"},
        Cause.PRUNED: {"prune", "drop rows", "perturb feature", "quantise"},
    }
    if claim.note in (Cause.BATCH, Cause.CLIPPED):
        return changed(world)
    return changed(world) and (claim.note not in expected or bool(expected[claim.note] & names(world)))


def sure_network(_claim: Claim, world: World) -> bool:
    return float(world.client.truth.probabilities.max()) >= 0.99


def no_pattern(_claim: Claim, world: World) -> bool:
    return changed(world) or world.scenario.augmentation == "custom"


def server_says(claim: Claim, world: World) -> bool:
    text = claim.text.lower()
    if "signs were sent" in text:
        return "sign" in names(world)
    if "one-hot" in text:
        return sure_network(claim, world)
    if "not of the assumed format" in text or "no pattern" in text:
        return world.scenario.augmentation == "custom"
    if "noise" in text:
        return changed(world)
    return True


def label_error(claim: Claim, world: World) -> bool:
    off = label_off(world)
    said = "recovered" in claim.text
    return np.isclose(off, claim.details["error"], rtol=1e-6, atol=1e-12) and said == (off <= 0.01)


def label_range(claim: Claim, world: World) -> bool:
    allowed, true = world.attack.allowed, world.client.mean.label.numpy()
    return bool((true >= allowed.low - 1e-12).all() and (true <= allowed.high + 1e-12).all()) and (
        percent_range(claim.text)[0] / 100 <= true[int(claim.details["class"])] <= percent_range(claim.text)[1] / 100
    )


def percent_range(text: str) -> tuple[float, float]:
    low, high = text.rsplit("from ", 1)[1].replace("%", "").split(" to ")
    return float(low), float(high)


def range_missed(_claim: Claim, world: World) -> bool:
    allowed, true = world.attack.allowed, world.client.mean.label.numpy()
    return bool((true < allowed.low).any() or (true > allowed.high).any())


def format_right(claim: Claim, world: World) -> bool:
    scenario = world.scenario
    if scenario.samples > 1 or label_off(world) > 1e-3:
        return scenario.samples > 1
    label = np.sort(world.client.sample.label.numpy())[::-1]
    rest = label[2:]
    if len(label) < 5:  # too few to tell a format from
        return True
    if np.ptp(rest) > 1e-4:
        return claim.note == "any"
    mixed, smooth = label[1] - rest.min() > 1e-4, rest.min() > 1e-4
    return claim.note == {
        (False, False): "hard",
        (False, True): "smoothing",
        (True, False): "mixup",
        (True, True): "mixup+smoothing",
    }[bool(mixed), bool(smooth)] or bool(mixed != (label[1] - rest.min() > 1e-5))


def one_lambda(claim: Claim, world: World) -> bool:
    return abs(claim.details["scale"] / true_scale(world) - 1) <= 1.01e-2


def lambdas(_claim: Claim, world: World) -> bool:
    return within(true_scale(world), world.attack.recovery.intervals)


def lambda_missed(claim: Claim, world: World) -> bool:
    if "scale" in claim.details:
        return not one_lambda(claim, world)
    return not within(true_scale(world), world.attack.recovery.intervals, 0.0)


def windows(_claim: Claim, world: World) -> bool:
    found = world.attack.windows
    return found.row != int(world.attack.head.row[0]) or within(true_scale(world), found.intersection)


def windows_one(claim: Claim, world: World) -> bool:
    return windows(claim, world) or condition_broken(claim.note, world)


def windows_missed(_claim: Claim, world: World) -> bool:
    return not within(true_scale(world), world.attack.windows.intersection, 0.0)


def windows_none(_claim: Claim, world: World) -> bool:
    return changed(world) or world.scenario.augmentation == "custom"


def one_pattern(claim: Claim, world: World) -> bool:
    values = np.linalg.svd(world.client.head_gradient, compute_uv=False)
    outside = float(np.sqrt((values[1:] ** 2).sum() / (values**2).sum())) if values.any() else 0.0
    return abs(outside - claim.details["outside"]) < 1e-2 and (outside < 0.1) == (claim.kind is Kind.ONE_PATTERN)


def feature_error(claim: Claim, world: World) -> bool:
    return feature_off(world) <= 1e-2 and np.isclose(feature_off(world), claim.details["error"], rtol=1e-6, atol=1e-12)


def pattern_off(claim: Claim, world: World) -> bool:
    return feature_cosine(world) <= 0.9999 and abs(claim.details["cosine"] - feature_cosine(world)) < 1e-6


def seen(world: World) -> tuple[np.ndarray, np.ndarray]:
    shown = world.rebuilt.shown.double().numpy().clip(0, 1)
    return shown, world.client.mean.image.double().numpy()


def decibels(world: World) -> float:
    shown, true = seen(world)
    return peak_signal_noise_ratio(true, shown, data_range=1.0) if (shown != true).any() else np.inf


def structure(world: World) -> float:
    shown, true = seen(world)
    return structural_similarity(true, shown, win_size=7, channel_axis=0, data_range=1.0)


def recognisable(_claim: Claim, world: World) -> bool:
    """Its structure is there, at some brightness and contrast."""
    shown, true = seen(world)
    one, other = shown - shown.mean((1, 2), keepdims=True), true - true.mean((1, 2), keepdims=True)
    return abs(cosine(torch.from_numpy(one), torch.from_numpy(other))) >= 0.6


def not_recovered(_claim: Claim, world: World) -> bool:
    return not (decibels(world) >= 20 and structure(world) >= 0.4) and abs(structure(world)) < 0.4


def picture_cosine(world: World) -> float:
    return cosine(world.recovery.image, world.client.mean.image)


def picture_exact(world: World) -> bool:
    true = world.client.mean.image.double()
    off = float((world.recovery.image - true).norm() / true.norm())
    return picture_cosine(world) > 0.9999 or off <= 1e-2


def route(claim: Claim, world: World) -> bool:
    if "fed its network other values" in claim.text:
        return False
    bars_shown = any(one.kind is Kind.BARS for _, one in world.told)
    if "error bars" in claim.text.replace("no error bars are given", "") and not bars_shown:
        return False
    exact = "bounds and smoothness" not in claim.text or "but for one common factor" in claim.text
    return picture_exact(world) or not exact


def astray(claim: Claim, world: World) -> bool:
    true_reason = changed(world) if "was changed" in claim.text else True
    return not picture_exact(world) and true_reason


def settled_below(claim: Claim, world: World) -> bool:
    found = world.recovery.label
    right = label_off(world, found.label) <= 1e-3 and feature_off(world, found.feature) <= 1e-2
    return right or condition_broken(claim.note, world)


def bars(claim: Claim, world: World) -> bool:
    return within_bars(world) >= 0.9 and claim.details["largest"] <= 0.5


def within_bars(world: World) -> float:
    shown, true = seen(world)
    std = (world.recovery.std * world.rebuilt.factor).numpy().clip(max=0.5)
    return float((np.abs(shown - true) <= 2 * std).mean())


def bars_within(claim: Claim, world: World) -> bool:
    return np.isclose(claim.details["within"], within_bars(world))


def no_bars(_: Claim, world: World) -> bool:
    server = world.rebuilt.server
    return world.rebuilt.std is None or server.tampered or server.mended


def outside(claim: Claim, world: World) -> bool:
    values = world.recovery.image.numpy() * world.rebuilt.factor
    return np.isclose(((values < -1e-3) | (values > 1.001)).mean(), claim.details["share"])


def layers(world: World) -> list[float]:
    """Cosines of the inputs of all layers that leak exactly, as their ranks say."""
    from gradinv_core.experiments.client.layer_inputs import true_inputs

    exact = {layer.name for layer in world.recovery.layers if layer.rank >= layer.unknowns}
    true = true_inputs(world.scene.network.model, world.client.mean.image, exact)
    return [cosine(step.value, true[step.layer]) for step in world.recovery.steps if step.layer in exact & set(true)]


def layers_leak(world: World) -> bool:
    exact = layers(world)
    told = {claim.kind for _, claim in world.told}
    return feature_cosine(world) > 0.9999 and (
        all(value > 0.9999 for value in exact) if exact else not told & {Kind.FAINT, Kind.NOT}
    )


def short_of_equations(world: World) -> bool:
    return world.recovery is not None and any(layer.rank < layer.unknowns for layer in world.recovery.layers)


def cause(claim: Claim, world: World) -> bool:
    scenario = world.scenario
    prediction = float(world.client.truth.probabilities.max())
    of_cause: Mapping[str, bool] = {
        Cause.WITHHELD: "withhold head" in names(world),
        Cause.VANISHED: world.client.head_gradient is not None and not world.client.head_gradient.any(),
        Cause.NOISY: changed(world),
        Cause.TOO_FEW_CLASSES: world.client.sample.label.numel() < 5,
        Cause.ONE_HOT: prediction >= 0.99,
        Cause.STRUCTURELESS: changed(world) or scenario.augmentation == "custom",
        Cause.TRAINING_BATCH_NORM: scenario.batch_norm == "training",
        Cause.RANK_DEFICIENT: "errors grow" in claim.text or short_of_equations(world),
        Cause.SATURATED: scenario.gain > 1 or scenario.stage != "untrained",
    }
    if claim.note in TAMPERED:
        return gradient_changed(claim, world)
    return of_cause.get(Cause(claim.note), True)


def nothing_wrong(_claim: Claim, world: World) -> bool:
    alike = recognisable(_claim, world) if world.rebuilt is not None else True
    return label_off(world) <= 1e-3 and feature_off(world) <= 1e-2 and alike


def picture_leaks(claim: Claim, world: World) -> bool:
    return nothing_wrong(claim, world) if "Nothing went wrong" in claim.text else recognisable(claim, world)


def batch_apart(_claim: Claim, world: World) -> bool:
    true = [sample.label.numpy() for sample in (world.client.sample, *world.client.others)]
    off = [min(float(np.abs(answer.label.numpy() - label).max()) for label in true) for answer in world.batch.recovery]
    return max(off) <= 1e-3 and len(off) == len(true)


def batch_pictures(_claim: Claim, world: World) -> bool:
    """Whether every picture of the client's came back to the eye."""
    found, true = world.batch.images, [sample.image for sample in (world.client.sample, *world.client.others)]
    return all(max(psnr(image, own) for image in found) > 40 for own in true)


CHECKERS: Mapping[Kind, Checker] = {
    Kind.UNIQUE: unique,
    Kind.MISLED: misled,
    Kind.AVERAGE: lambda _, world: world.scenario.samples > 1 and label_off(world) <= 0.01,
    Kind.FEATURE_ONLY: lambda _, world: feature_off(world) <= 0.01,
    Kind.CHANGED: gradient_changed,
    Kind.SURE_NETWORK: sure_network,
    Kind.NO_PATTERN: no_pattern,
    Kind.SERVER_SAYS: server_says,
    Kind.LABEL_ERROR: label_error,
    Kind.RANGE: label_range,
    Kind.RANGE_MISSED: range_missed,
    Kind.LABEL_GUESS: lambda claim, world: changed(world) and np.isclose(claim.details["error"], label_off(world)),
    Kind.FORMAT: format_right,
    Kind.FORMAT_BELIEVED: lambda _, world: label_off(world) > 1e-3,
    Kind.FORMAT_OPEN: lambda *_: True,
    Kind.LEAKED: lambda _, world: feature_off(world) <= 1e-2,
    Kind.NOT_LEAKED: lambda claim, world: "wrong" not in claim.text or feature_off(world) > 1e-2,
    Kind.ONE_LAMBDA: one_lambda,
    Kind.LAMBDAS: lambdas,
    Kind.LAMBDA_MISSED: lambda_missed,
    Kind.WINDOWS_ONE: windows_one,
    Kind.WINDOWS_OPEN: windows,
    Kind.WINDOWS_NONE: windows_none,
    Kind.WINDOWS_MISSED: windows_missed,
    Kind.RACE: lambda claim, world: not claim.details or one_lambda(claim, world),
    Kind.RACE_MISLED: lambda claim, world: changed(world) and not one_lambda(claim, world),
    Kind.ONE_PATTERN: one_pattern,
    Kind.MANY_PATTERNS: one_pattern,
    Kind.FEATURE_KNOWN: lambda _, world: feature_off(world) <= 1e-2,
    Kind.FEATURE_LIKELY: lambda *_: True,
    Kind.FEATURE_OPEN: lambda _, world: feature_cosine(world) > 0.9999,
    Kind.FEATURE_ERROR: feature_error,
    Kind.PATTERN_EXACT: lambda _, world: feature_cosine(world) > 0.9999,
    Kind.PATTERN_OFF: pattern_off,
    Kind.SAME: lambda _, world: decibels(world) >= 40,
    Kind.CLOSE: lambda _, world: decibels(world) >= 25,
    Kind.RECOGNISABLE: recognisable,
    Kind.FAINT: lambda _, world: structure(world) < 0.6 and decibels(world) < 25,
    Kind.NOT: not_recovered,
    Kind.BRIGHTNESS_OPEN: lambda _, world: picture_cosine(world) > 0.9999,
    Kind.AVERAGE_PICTURE: lambda _, world: world.scenario.samples > 1 and decibels(world) >= 25,
    Kind.ROUTE: route,
    Kind.ASTRAY: astray,
    Kind.BARRED: lambda claim, world: claim.note != "contradiction" or changed(world) or label_off(world) > 1e-3,
    Kind.SETTLED_BELOW: settled_below,
    Kind.BARS: bars,
    Kind.BARS_WITHIN: bars_within,
    Kind.NO_BARS: no_bars,
    Kind.OUTSIDE: outside,
    Kind.LAYERS_LEAK: lambda _, world: layers_leak(world),
    Kind.LAYERS_COUNTED: lambda _, world: not layers_leak(world),
    Kind.BATCH_APART: batch_apart,
    Kind.BATCH_TOGETHER: lambda _, world: changed(world),
    Kind.BATCH_PICTURES: batch_pictures,
    Kind.BATCH_SEARCHED: lambda _, world: world.batch.images is not None,
    Kind.BATCH_BARRED: lambda _, world: world.batch.images is None,
    Kind.NOTHING_WRONG: picture_leaks,
    Kind.LABEL_LEAKS: unique,
    Kind.CAUSE: cause,
    Kind.CARD: lambda _, world: card_of(world.scenario) is not None,  # test_gallery plays each
    Kind.SEARCH_FAILED: lambda _, world: world.scenario.samples > 1 or label_off(world) <= 1e-3 or changed(world),
}
"""Kind -> what must be so. A kind that is missing here makes the test fail."""
