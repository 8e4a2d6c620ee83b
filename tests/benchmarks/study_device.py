"""What a GPU adds: labels a second from many gradients at once, and steps a second of restarts searched as one batch.

    python tests/benchmarks/study_device.py [--device cuda]

Labels: heads drawn at random, mixed and smoothed labels, float32 gradients that already lie on the device; the answers
are compared with the truth afterwards. Matching: ResNet-18 on 32 x 32 pixels, eight restarts, the paper's settings but
for the number of steps; a step is one of one restart. Counts are those that the CPU or a GPU does in a few seconds.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from unittest import mock

import numpy as np
import torch
from torch import nn

from gradinv_core import capture_gradients, mixup_label, recover_labels
from gradinv_core.datasets import load_dataset
from gradinv_core.head import factor_heads
from gradinv_core.image_recovery.matching import MatchingOptions, MatchResult, batch, front_door, match_gradients
from gradinv_core.label_recovery import crowd
from gradinv_core.networks import build_network

SIZES = ((10, 512), (1000, 2048))
COUNTS = {"cpu": {10: 2000, 1000: 24}, "cuda": {10: 26_000, 1000: 512}}
ITERATIONS = {"cpu": 2, "cuda": 60}
RESTARTS = 8
MOST_PROCESSES = 8  # that share a device, each with a context of its own


def drawn(classes: int, features: int, count: int, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weight (C, d), gradients (N, C, d) on the device, and the labels (N, C)."""
    rng = np.random.default_rng(0)
    weight = torch.from_numpy(rng.uniform(-1, 1, (classes, features)) / features**0.5).float().to(device)
    feature = torch.from_numpy(np.maximum(rng.standard_normal((count, features)), 0)).float().to(device)
    labels = np.empty((count, classes))
    for label in labels:
        first, second = rng.choice(classes, 2, replace=False)
        epsilon, share = rng.uniform(0.05, 0.3), rng.uniform(0.55, 0.95)
        label[:] = epsilon / classes
        label[first] += (1 - epsilon) * share
        label[second] += (1 - epsilon) * (1 - share)
    truth = torch.from_numpy(labels)
    residuals = torch.softmax(feature @ weight.T, 1) - truth.float().to(device)
    return weight, residuals[:, :, None] * feature[:, None, :], truth


def settled(device: str) -> float:
    """The time, once the device has done all that it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def memory(device: str) -> float:
    """The most that the device has held so far, GB; 0 for the CPU, which does not count it."""
    return torch.cuda.max_memory_allocated() / 1e9 if device.startswith("cuda") else 0.0


def labels_a_second(classes: int, features: int, device: str) -> None:
    count = COUNTS[torch.device(device).type][classes]
    weight, gradients, truth = drawn(classes, features, count, device)
    recover_labels(weight, gradients[:2])  # what is loaded once
    started = settled(device)
    answers = recover_labels(weight, gradients)
    seconds = settled(device) - started
    part = gradients[:64]
    started = settled(device)
    factor_heads(weight, part)
    factored = (settled(device) - started) / len(part)
    error = max(float((answer.label - one).abs().max()) for answer, one in zip(answers, truth, strict=True))
    unique = sum(answer.status == "unique" for answer in answers)
    print(
        f"| labels, C = {classes}, d = {features} | {device} | {count:,} at once | {count / seconds:,.0f} a second | "
        f"{1e3 * factored:.3f} of {1e3 * seconds / count:.3f} ms read the gradient; {unique:,} unique, "
        f"largest error {error:.1e} |",
        flush=True,
    )


@cache
def kept(classes: int, features: int, count: int, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """As `drawn`, once for each process, which then also has loaded what is loaded once."""
    weight, gradients, truth = drawn(classes, features, count, device)
    recover_labels(weight, gradients[:2])
    return weight, gradients, truth


def answered(classes: int, features: int, count: int, device: str, threads: int) -> float:
    """Largest error of one process's labels."""
    weight, gradients, truth = kept(classes, features, count, device)
    torch.set_num_threads(threads)
    with mock.patch.object(crowd, "_MOST_THREADS", threads):
        answers = recover_labels(weight, gradients)
    return max(float((answer.label - one).abs().max()) for answer, one in zip(answers, truth, strict=True))


def labels_by_processes(classes: int, features: int, device: str) -> None:
    """As a study's jobs share a device: every process reads and answers its own."""
    cores = os.cpu_count() or 1
    processes = min(cores, MOST_PROCESSES)
    count = COUNTS[torch.device(device).type][classes] // (4 if device.startswith("cuda") else 1)
    task = (classes, features, count, device, max(1, cores // processes))
    with multiprocessing.get_context("spawn").Pool(processes, kept, task[:4]) as pool:
        pool.starmap(answered, [task] * 2 * processes, chunksize=1)  # until all have drawn theirs
        started = time.perf_counter()
        errors = pool.starmap(answered, [task] * processes, chunksize=1)
        seconds = time.perf_counter() - started
    print(
        f"| labels, C = {classes}, d = {features}, {processes} processes | {device} | {count:,} each | "
        f"{processes * count / seconds:,.0f} a second | largest error {max(errors):.1e} |",
        flush=True,
    )


class Matching:
    """One picture and its gradient, to be searched in several ways."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.label = mixup_label(3, 5, 10, 0.65, 0.1)
        self.model: nn.Module = build_network("resnet18_32", 10).to(device)
        picture = load_dataset("photographs", 32)[5][0].to(device)
        self.gradients = capture_gradients(self.model, picture, self.label.to(device))

    def search(self, restarts: int, iterations: int, at_once: int) -> tuple[MatchResult, float]:
        options = MatchingOptions(iterations=iterations, restarts=restarts, label_mode="given", snapshots=1)
        options = replace(options, at_once=at_once)
        started = settled(self.device)
        found = match_gradients(self.model, self.gradients, (3, 32, 32), options, label=self.label, seed=0)
        return found, settled(self.device) - started

    def steps_a_second(self, restarts: int, at_once: int, words: str) -> None:
        iterations = ITERATIONS[torch.device(self.device).type]
        self.search(restarts, 1, at_once)  # what is loaded or chosen once
        found, seconds = self.search(restarts, iterations, at_once)
        steps = restarts * (iterations + 1)
        print(
            f"| matching, ResNet-18, {restarts} restarts, {words} | {self.device} | {iterations} steps each | "
            f"{steps / seconds:,.1f} a second | {found.route}, {seconds:.1f} s, {memory(self.device):.1f} GB |",
            flush=True,
        )

    def agree(self) -> None:
        with mock.patch.object(front_door, "gather_batch", return_value=None):
            one, _ = self.search(RESTARTS, 1, 1)
        other, _ = self.search(RESTARTS, 1, RESTARTS)
        apart = abs(one.loss - other.loss) / one.loss
        print(
            f"One by one and as one batch on {self.device}: restart {one.restart} and {other.restart} lead after a "
            f"step, their losses {apart:.1e} apart.",
            flush=True,
        )


def tried(measure: Callable[[], None]) -> None:
    """Measure; what goes wrong is shown and does not end the rest."""
    try:
        measure()
    except Exception:
        traceback.print_exc()


def matching(device: str) -> None:
    search = Matching(device)
    with mock.patch.object(front_door, "gather_batch", return_value=None):
        tried(lambda: search.steps_a_second(RESTARTS, 1, "one after the other"))
    if device.startswith("cuda"):
        tried(lambda: search.steps_a_second(RESTARTS, 1, "one after the other, recorded"))
        with mock.patch.object(batch, "recorded", lambda objective, _: objective):
            tried(lambda: search.steps_a_second(RESTARTS, RESTARTS, "one batch, launched step by step"))
    tried(lambda: search.steps_a_second(RESTARTS, RESTARTS, "one batch"))
    if device.startswith("cuda"):
        tried(lambda: search.steps_a_second(3 * RESTARTS, 3 * RESTARTS, "one batch"))
    tried(search.agree)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="to set beside the CPU, such as cuda (default: the CPU alone)")
    parser.add_argument("--parts", nargs="+", default=["labels", "matching"], choices=["labels", "matching"])
    options = parser.parse_args()
    device = options.device
    if device.startswith("cuda"):
        print(f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}")
    started = time.perf_counter()
    for where in dict.fromkeys((device, "cpu")):
        for classes, features in SIZES if "labels" in options.parts else ():
            tried(lambda classes=classes, features=features, where=where: labels_a_second(classes, features, where))
            tried(lambda classes=classes, features=features, where=where: labels_by_processes(classes, features, where))
        if "matching" in options.parts:
            tried(lambda where=where: matching(where))
    print(f"{time.perf_counter() - started:.0f} s in all, {torch.get_num_threads()} threads on the CPU")


if __name__ == "__main__":
    main()
