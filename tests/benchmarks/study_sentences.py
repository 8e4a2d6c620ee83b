"""Walk the page's sentences: scenarios times defences, and every sentence held against the truth.

    OMP_NUM_THREADS=1 python tests/benchmarks/study_sentences.py [networks ...] [--no-pictures]

Prints how many scenarios and sentences there were, every false one, where a server that had all it needs was sure and
wrong, how often ranges held the true lambda, and how many pixels the error bars held.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from sentence_checks import CHECKERS, changed, informed
from sentence_walk import World, walk

from dashboard.claims import Claim, Kind
from gradinv_core.experiments.scenario import Scenario, to_query

NETWORKS = ("fcn_small", "lenet_sigmoid", "lenet_tanh", "lenet_leaky_relu", "lenet_relu")
SHARES = "0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.04, 0.03"
LABELS = ("smoothing", "none", "mixup+smoothing", "custom")
DEFENCES = (
    "",
    "clip:1",
    "clip:0.1",
    "gaussian:1e-05",
    "gaussian:0.0001",
    "gaussian:0.003",
    "laplace:0.001",
    "prune:0.3",
    "prune:0.9",
    "quantise:8",
    "quantise:12",
    "sign",
    "drop rows:0.3",
    "perturb feature:0.1",
    "perturb feature:0.5",
    "withhold head",
    "clip:0.5~gaussian:0.001",
    "clip:0.5~prune:0.5",
    "prune:0.5~gaussian:0.0001",
    "perturb feature:0.1~clip:0.5",
    "quantise:8~drop rows:0.3",
)
"""All of the catalogue, weak and strong, and some pipelines of two."""


def scenarios(networks: tuple[str, ...] = NETWORKS) -> Iterator[Scenario]:
    """Every network with every label and defence, informed and not; then batches, few classes, biases, trained ones."""
    for network in networks:
        base = Scenario(network=network, shares=SHARES, partner=3)
        for place, label in enumerate(LABELS):
            for defences in DEFENCES:
                for aware in (False, True) if defences else (False,):
                    yield replace(base, augmentation=label, image=place, defences=defences, aware=aware)
        for samples in (2, 3):
            yield replace(base, samples=samples)
            yield replace(base, samples=samples, dataset="digits")
        yield replace(base, samples=2, dataset="digits", target=3)
        for bias in (False, True):
            yield replace(base, classes=3, dataset="digits", head_bias=bias)
            yield replace(base, classes=2, dataset="digits", head_bias=bias)
        for defences in ("", "clip:0.5", "gaussian:0.001", "prune:0.5", "perturb feature:0.1", "quantise:8"):
            yield replace(base, head_bias=True, defences=defences, image=5)
        yield replace(base, classes=100, augmentation="mixup")
        yield replace(base, sharpness=30.0, image=2)
        yield replace(base, sharpness=300.0, image=2)
        if network == "lenet_sigmoid":
            for stage in ("hard-epoch-40", "hard-epoch-160", "mixup-epoch-80"):
                for image in (0, 3, 22):
                    yield replace(base, dataset="digits", stage=stage, image=image)


def false_ones(world: World) -> list[tuple[str, Claim]]:
    """The sentences of a walked scenario that do not hold.

    Raises:
        KeyError: a kind of sentence has no checker.
    """
    return [(place, claim) for place, claim in world.told if not CHECKERS[claim.kind](claim, world)]


def main(arguments: list[str]) -> int:
    """Walk, and print what was found."""
    torch.set_num_threads(1)
    networks = tuple(name for name in arguments if not name.startswith("--")) or NETWORKS
    pictures = "--no-pictures" not in arguments
    started, walked, sentences, wrong, misled = time.perf_counter(), 0, 0, 0, 0
    kinds: Counter[Kind] = Counter()
    bars: defaultdict[bool, list[float]] = defaultdict(list)
    withheld: Counter[bool] = Counter()
    for scenario in scenarios(networks):
        world = walk(scenario, pictures=pictures and _worth_a_picture(scenario))
        walked, sentences = walked + 1, sentences + len(world.told)
        kinds.update(claim.kind for _, claim in world.told)
        for place, claim in false_ones(world):
            wrong += 1
            print(f"FALSE {to_query(scenario)} {place}: [{claim.kind}] {claim.text} {dict(claim.details)} {claim.note}")
        if (not changed(world) or informed(world)) and any(claim.kind is Kind.MISLED for _, claim in world.told):
            misled += 1
            print(f"SURE AND WRONG {to_query(scenario)}: {[c.text for _, c in world.told if c.kind is Kind.MISLED]}")
        for _, claim in world.told:
            if claim.kind is Kind.BARS_WITHIN:
                bars[bool(scenario.defences)].append(claim.details["within"])
            if claim.kind is Kind.NO_BARS:
                withheld[bool(scenario.defences)] += 1
    print(f"{walked} scenarios, {sentences} sentences, {wrong} false, {misled} sure and wrong although all was known.")
    print({str(kind): count for kind, count in kinds.most_common()})
    for defended, shares in bars.items():
        print(
            f"error bars {'defended' if defended else 'plain'}: shown {len(shares)}, {min(shares):.1%} to "
            f"{max(shares):.1%} of pixels within two; withheld by the server: {withheld[defended]}"
        )
    print(f"{time.perf_counter() - started:.0f} s")
    return wrong


def _worth_a_picture(scenario: Scenario) -> bool:
    """The fully connected network always; LeNets, at seconds a picture, for one label of each defence."""
    return scenario.network == "fcn_small" or scenario.augmentation == "smoothing"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) > 0)
