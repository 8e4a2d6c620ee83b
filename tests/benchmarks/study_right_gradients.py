"""The control beside the wrong worlds: plain gradients of every label kind lose nothing. Run with ``make study``.

Labels without structure ("dirichlet") are asked for with label_format="any". The median times are of the processor, so
that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).parent))
from drawn_heads import FAMILIES, KINDS
from study_wrong_worlds import HEADS, LEGEND, SEEDS, STUDIED, Case, counts_text, print_table, set_up
from world_verdicts import CLOSE, Verdict, judge

ANY = "dirichlet"


class Entry(NamedTuple):
    case: Case
    verdict: Verdict
    seconds: float


def judge_case(case: Case) -> Entry:
    played = set_up(case)
    started = time.process_time()
    verdict = judge(played, **({"label_format": "any"} if case.kind == ANY else {}))
    return Entry(case, verdict, time.process_time() - started)


def print_entries(entries: list[Entry], columns: list[str]) -> None:
    groups: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        for row in (f"{entry.case.kind} C={entry.case.classes}", "all"):
            groups[row, entry.case.column].append(entry)
    texts = {key: counts_text(Counter(e.verdict.outcome for e in group)) for key, group in groups.items()}
    for column in columns:
        texts["median ms", column] = f"{1e3 * statistics.median(e.seconds for e in groups['all', column]):.2f}"
    print_table(
        "right gradients",
        [*dict.fromkeys(row for row, _ in groups if row != "all"), "all", "median ms"],
        columns,
        texts,
    )
    close = sum(entry.verdict.unique and entry.verdict.error <= CLOSE for entry in entries)
    print(f"\n{close} of {len(entries)} unique and within {CLOSE:g}")


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=(5, 10, 100))
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=STUDIED)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=HEADS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    options = parser.parse_args()
    cases = product((*KINDS, ANY), options.classes, options.families, options.heads, range(options.seeds))
    entries = [
        judge_case(Case("honest", classes, family, head, seed, kind)) for kind, classes, family, head, seed in cases
    ]
    print(LEGEND)
    print_entries(entries, [f"{family} {head}" for family, head in product(options.families, options.heads)])


if __name__ == "__main__":
    main()
