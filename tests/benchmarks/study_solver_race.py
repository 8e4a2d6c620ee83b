"""Two hundred races: where the paper's searches and the exact solvers end, and who would have known. Run by hand:

OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/study_solver_race.py

All four start from the same head. The paper's searches run twice, within the paper's bounds and without any. Nobody is
told the truth; it only judges afterwards. Smoothed labels are raced for with the paper's top-1 loss, mixed ones with
its top-2 loss.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parent))
from network_gradients import Sample, checkpoint_samples, untrained_samples

from gradinv_core.head import factor_heads
from gradinv_core.head.structures import LABEL_FORMATS
from gradinv_core.label_recovery.paper_search import Ending
from gradinv_core.label_recovery.race import Outcome, Racer, Solver, race

AGREES = 1e-2
UNTRAINED = {("lenet_sigmoid", 10): 40, ("lenet_sigmoid", 100): 40, ("resnet18", 10): 20, ("resnet18", 100): 20}
PER_STAGE = 8  # of ten trained stages


class Judged(NamedTuple):
    trained: bool
    bounded: bool
    racer: Racer
    close: bool

    @property
    def offers(self) -> bool:
        """Whether the solver hands its lambda out as an answer."""
        return self.racer.status is not Outcome.NOTHING

    @property
    def open(self) -> bool:
        """Whether one of ours says that several lambdas fit, and its best guess is not the true one."""
        return self.racer.name.ours and self.racer.status is Outcome.AMBIGUOUS and not self.close


def cases() -> Iterator[tuple[bool, Sample]]:
    """Whether the network was trained, and a sample whose label is soft."""
    for (network, classes), count in UNTRAINED.items():
        soft = (s for s in untrained_samples(network, classes, 2 * count) if s.kind != "hard")
        yield from ((False, sample) for sample in islice(soft, count))
    stages: dict[str, list[Sample]] = {}
    for sample in checkpoint_samples("lenet_sigmoid", 16):
        if sample.kind != "hard":
            stages.setdefault(sample.case, []).append(sample)
    for samples in stages.values():
        yield from ((True, sample) for sample in samples[:PER_STAGE])


def judge(trained: bool, sample: Sample) -> Iterator[Judged]:
    view = sample.view
    head = factor_heads(view.weight, view.weight_grad[None], view.bias)
    structure = LABEL_FORMATS["smoothing" if sample.kind == "smoothing" else "unknown"]
    row = view.weight_grad[int(head.row[0])].double()
    true_scale = float(sample.truth.feature.double() @ row / (row @ row))
    for bounded in (True, False):
        for racer in race(head, bounded=bounded, structure=structure):
            close = racer.end is not None and abs(racer.end - true_scale) <= AGREES * abs(true_scale)
            yield Judged(trained, bounded, racer, close)


def line(found: list[Judged]) -> str:
    counts = (
        sum(j.offers and j.close for j in found),
        sum(j.offers and not j.close and not j.open for j in found),
        sum(j.racer.ending is Ending.OUT_OF_BOUND for j in found),
        sum(j.racer.ending is Ending.OUT_OF_STEPS or (j.racer.name.ours and not j.offers) for j in found),
        sum(j.open for j in found),
        sum(j.racer.knows for j in found),
    )
    spent = median(j.racer.evaluations for j in found), 1000 * median(j.racer.seconds for j in found)
    return "".join(f"{count:9}" for count in counts) + f"{spent[0]:13,.0f}{spent[1]:9.1f}{len(found):7}"


if __name__ == "__main__":
    torch.set_num_threads(1)
    judged = [one for trained, sample in cases() for one in judge(trained, sample)]
    heads = ("right", "silent", "out of", "no", "says", "would", "median", "median")
    units = ("", "wrong", "bound", "answer", "open", "know", "evaluations", "ms")
    for words in (heads, units):
        print(f"{'':34}" + "".join(f"{word:>9}" for word in words[:6]) + f"{words[6]:>13}{words[7]:>9}")
    for group, trained in {"untrained": (False,), "trained": (True,), "all": (False, True)}.items():
        for solver in Solver:
            for bounded in (True, False):
                if solver.ours and not bounded:
                    continue  # our solvers have no bounds to lift
                chosen = [j for j in judged if j.trained in trained and j.racer.name is solver and j.bounded is bounded]
                name = f"{solver}{'' if solver.ours else ', bounds' if bounded else ', no bounds'}"
                print(f"{group:10}{name:24}{line(chosen)}")
