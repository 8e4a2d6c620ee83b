"""Measure the stored curves over the size of a batch: what a server that takes it apart still reads.

``make curves`` writes assets/studies/batch_curves.json, which the page draws as a stored measurement. Every point is at
least 25 training steps and 50 labels, on digits, each step with pictures of its own and, where the network is
untrained, with weights of its own; labels are mixed and smoothed. Every label of a step counts by itself. The pictures
are rebuilt where that takes less than a second; through convolutions it would take hours.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import lru_cache

import torch

from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.build import build_public_network
from gradinv_core.experiments.scenario import MOST_SAMPLES, UNTRAINED, Scenario
from gradinv_core.experiments.scene import BuildNetwork, play
from gradinv_core.experiments.server.batch import attack_batch
from gradinv_core.experiments.sweep.batch import judge_samples
from gradinv_core.experiments.sweep.run import SweepPoint
from gradinv_core.experiments.sweep.stored_study import BATCH_FILE, StoredBatches
from gradinv_core.experiments.sweep.study import stored_point, write_curves

__all__ = ["main", "measure_batches"]

_LABELS = 50
_SIZES = (1, 2, 3, 4, 6, 8)
_PARTNERS = 800  # pictures between those of a step and those they are mixed with
_NETWORKS = {  # whether the pictures are rebuilt
    ("fcn_small", UNTRAINED): True,
    ("lenet_relu", UNTRAINED): False,
    ("resnet18_half", "mixup-epoch-30"): False,
    ("fcn_small", "hard-epoch-30"): True,
    ("lenet_sigmoid", UNTRAINED): False,
}


def measure_batches(
    network: str, stage: str, *, picture: bool, sizes: Sequence[int] = _SIZES, labels: int = _LABELS
) -> StoredBatches:
    """One network before batches of every size.

    Args:
        network: attacked, a key of `NETWORKS`.
        stage: of its training.
        picture: whether to rebuild the pictures, too.
        sizes: of the batches, at most `MOST_SAMPLES`.
        labels: at least so many at each size, and half as many steps of training.
    """
    build: BuildNetwork = lru_cache(maxsize=1)(build_public_network)
    points = []
    for samples in sizes:
        played = range(max(labels // 2, -(-labels // samples)))
        judged = [one for step in played for one in _judge_step(network, stage, samples, step, picture, build)]
        points.append(stored_point(float(samples), judged, len(played)))
    return StoredBatches(network, stage, tuple(points))


def _judge_step(
    network: str, stage: str, samples: int, step: int, picture: bool, build: BuildNetwork
) -> list[SweepPoint]:
    """Every sample of one step, judged."""
    scenario = Scenario(
        dataset="digits",
        network=network,
        stage=stage,
        augmentation="mixup+smoothing",
        image=step * MOST_SAMPLES,
        partner=step * MOST_SAMPLES + _PARTNERS,
        seed=step,
        samples=samples,
    )
    scene, unread = play(scenario, build=build), [SweepPoint(samples - 1, step, scenario)] * samples
    try:
        attack = attack_batch(scene.network, scene.gradients, picture)
    except GradientInversionError:
        return unread
    return judge_samples(unread[0], scene, attack) if attack.recovery.unique else unread


def main() -> None:
    """Measure all curves and write them, to the path on the command line or to where the page reads them."""
    torch.set_num_threads(1)
    started, curves = time.perf_counter(), []
    for (network, stage), picture in _NETWORKS.items():
        curves.append(found := measure_batches(network, stage, picture=picture))
        shares = [f"{point.right:.2f}/{point.shares['certain, but wrong']:.2f}" for point in found.points]
        sys.stdout.write(f"{network:14} {stage:16} {'  '.join(shares)}\n")
        sys.stdout.flush()
    write_curves(BATCH_FILE, curves, time.perf_counter() - started, {})


if __name__ == "__main__":
    main()
