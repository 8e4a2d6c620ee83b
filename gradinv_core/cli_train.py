"""The command line's training: a network, a dataset, softened labels, and a file that studies and the page can use."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gradinv_core.cli_progress import STOPPED, ProgressLine, duration, say

if TYPE_CHECKING:
    from gradinv_core.training import TrainingPlan
    from gradinv_core.training.pictures import TrainingPictures

__all__ = ["add_train"]


def add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``train``; it loads what it needs when it runs."""
    train = commands.add_parser("train", help="train a network to attack, on labels softened as you say")
    train.add_argument("network", help="such as lenet_sigmoid or resnet18_32; a wrong name lists them all")
    train.add_argument("--dataset", default="digits", help="such as digits or cifar10, or folder:PATH (default digits)")
    train.add_argument("--labels", default="mixup+smoothing", help="hard, smoothing, mixup or mixup+smoothing")
    train.add_argument("--epsilon", type=float, default=0.1, help="share that smoothing spreads (default 0.1)")
    train.add_argument("--alpha", type=float, default=1.0, help="of mixup's Beta distribution (default 1)")
    train.add_argument("--epochs", type=int, default=20)
    train.add_argument("--batch-size", type=int, default=16)
    train.add_argument("--learning-rate", type=float, default=1e-3, help="of Adam, at the start (default 0.001)")
    train.add_argument("--head-bias", action="store_true", help="give the last layer a bias")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--data", type=Path, help="folder with torchvision's datasets (default: GRADINV_DATA)")
    train.add_argument(
        "--out", type=Path, help="file to write (default: checkpoints/NETWORK-DATASET-LABELS.safetensors)"
    )
    train.add_argument("--device", default="cpu", help="where it computes (default cpu)")
    train.add_argument("--threads", type=int, default=1, help="of the processor (default 1)")
    train.set_defaults(run=_train)


def _train(options: argparse.Namespace) -> int:
    from gradinv_core.devices import check_device
    from gradinv_core.networks import NETWORKS
    from gradinv_core.training import TrainingPlan
    from gradinv_core.training.pictures import open_pictures

    plan = TrainingPlan(
        network=options.network,
        dataset=options.dataset,
        labels=options.labels,
        epsilon=options.epsilon,
        alpha=options.alpha,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        head_bias=options.head_bias,
        seed=options.seed,
    )
    device, out = check_device(options.device), _out(options, plan)
    line = ProgressLine()

    def reading(what: str, share: float) -> None:
        if line.is_due:
            line.show(f"{what}, {share:.0%}")

    try:
        pictures = open_pictures(plan.dataset, NETWORKS[plan.network].image_size, options.data, reading)
        line.end()
        return _go_through(plan, pictures, out, device, options.threads, line)
    except KeyboardInterrupt:
        line.end()
        say(_stopped(out))
        return STOPPED


def _out(options: argparse.Namespace, plan: TrainingPlan) -> Path:
    """The file to write: one that is not there, unless its training is unfinished."""
    from gradinv_core.errors import OptionError
    from gradinv_core.trained_file import SUFFIX
    from gradinv_core.training.unfinished import unfinished_file

    dataset = plan.dataset.partition(":")[0]
    out: Path = options.out or Path("checkpoints") / f"{plan.network}-{dataset}-{plan.labels}{SUFFIX}"
    if out.suffix != SUFFIX:
        raise OptionError(f"out: expected a file that ends in {SUFFIX}, got {out}.")
    if out.exists() and not unfinished_file(out).exists():
        raise OptionError(f"out: expected a new file, got {out}, which is finished; choose another, or remove it.")
    return out


def _go_through(
    plan: TrainingPlan, pictures: TrainingPictures, out: Path, device: str, threads: int, line: ProgressLine
) -> int:
    """Train, saying how far it is."""
    import torch

    from gradinv_core.errors import OptionError
    from gradinv_core.training import train_network

    if threads < 1:
        raise OptionError(f"threads: expected at least 1, got {threads}.")
    torch.set_num_threads(threads)
    say(
        f"{plan.network} on {plan.dataset}, {plan.labels} labels: {len(pictures.training):,} pictures to learn from, "
        f"{len(pictures.held_out):,} held out, {pictures.classes} classes, {plan.epochs} epochs."
    )
    began, first = time.monotonic(), 0

    def step(epoch: int, share: float) -> None:
        nonlocal first
        first = first or epoch
        if line.is_due:
            passed = epoch - first + share  # epochs of this run
            left = (plan.epochs - first + 1 - passed) * (time.monotonic() - began) / max(passed, 1e-6)
            line.show(f"epoch {epoch} of {plan.epochs}, {share:.0%}, {duration(left)} left")

    for reached in train_network(plan, pictures, out, device, step):
        line.end()
        say(f"epoch {reached.epoch}: {reached.accuracy:.1%} of the held-out pictures right, {reached.best:.1%} at best")
    say(f'wrote {out}; play it in a study with: stage = "{out}"')
    return 0


def _stopped(out: Path) -> str:
    if not out.exists():
        return "Stopped before the first epoch was through; nothing is written."
    return f"Stopped. The best network so far is in {out}; the same command goes on with it."
