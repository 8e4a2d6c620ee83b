"""How label recovery answers where its assumptions are wrong. Run with ``make study``; some ten minutes on one core.

Words choose worlds whose names contain them; options narrow the rest, as in

    python tests/benchmarks/study_wrong_worlds.py bce class_weights --classes 10 --seeds 5 --show 3
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from drawn_heads import FAMILIES, KINDS, draw_head, draw_label
from played_step import Played
from world_verdicts import CLOSE, Outcome, Told, Verdict, judge, judge_told
from wrong_worlds import WORLDS, play

CLASSES = (2, 3, 10, 100)
STUDIED = ("spread", "default")  # families, unless others are named
HEADS = ("biased", "withheld", "free")
SEEDS = 20
SPARED = 5  # one seed in so many, so that every label kind has its turn
TESTABLE = 5  # classes from which scale and loss show in the gradient
LEGEND = (
    "R right and unique, r the same under a condition, W WRONG and unique, w the same under a condition, "
    "d ambiguous with a doubt named, a ambiguous, x refused, ! crash"
)


class Case(NamedTuple):
    """One point of the matrix."""

    world: str
    classes: int
    family: str
    head: str
    seed: int
    kind: str

    @property
    def column(self) -> str:
        return f"{self.family} {self.head}"


def set_up(case: Case) -> Played:
    """Play a case. Head and label are the same in every world, so that their differences are the worlds'."""
    rng = np.random.default_rng([case.classes, FAMILIES.index(case.family), case.seed])
    head = draw_head(case.family, case.classes, case.head != "free", rng)
    played = play(case.world, head, draw_label(case.kind, case.classes, rng), rng)
    return played.withheld() if case.head == "withheld" else played


def too_slow(case: Case, played: Played) -> bool:
    """Whether to spare this one the telling: several steps without a bias gradient take seconds each."""
    path = played.update is not None and played.update.steps > 1 and played.bias_grad is None
    return path and case.seed % SPARED != 0


def kind_of(seed: int, kinds: tuple[str, ...]) -> str:
    return kinds[seed % len(kinds)]


def cases_of(options: argparse.Namespace) -> list[Case]:
    names = [name for name in WORLDS if not options.worlds or any(word in name for word in options.worlds)]
    if not names:
        raise SystemExit(f"worlds: expected parts of {', '.join(WORLDS)}, got {' '.join(options.worlds)}.")
    return [
        Case(name, classes, family, head, seed, kind_of(seed, tuple(options.kinds)))
        for name, classes, family, head, seed in product(
            names, options.classes, options.families, options.heads, range(options.seeds)
        )
        if classes == 2 or name != "one_logit"
    ]


def print_outcomes(title: str, verdicts: dict[Case, Verdict], columns: list[str]) -> None:
    cells: dict[tuple[str, str], Counter[Outcome]] = defaultdict(Counter)
    for case, verdict in verdicts.items():
        cells[case.world, case.column][verdict.outcome] += 1
        cells["all", case.column][verdict.outcome] += 1
    rows = list(dict.fromkeys(case.world for case in verdicts))
    if len(rows) > 1:
        rows.append("all")
    print_table(title, rows, columns, {key: counts_text(counts) for key, counts in cells.items()})


def counts_text(counts: Counter[Outcome]) -> str:
    return " ".join(f"{counts[outcome]}{outcome}" for outcome in Outcome if counts[outcome])


def print_told(told: dict[Case, Told], columns: list[str]) -> None:
    cells: dict[tuple[str, str], list[tuple[Case, Told]]] = defaultdict(list)
    for case, answer in told.items():
        cells[case.world, case.column].append((case, answer))
        if answer.there:
            cells["all that are there", case.column].append((case, answer))
    texts = {key: told_text(answers) for key, answers in cells.items()}
    title = f"told the truth: within {CLOSE:g} of the unique | of all with {TESTABLE} classes or more"
    print_table(title, [*dict.fromkeys(case.world for case in told), "all that are there"], columns, texts)


def told_text(answers: list[tuple[Case, Told]]) -> str:
    if not all(answer.there for _, answer in answers):
        return "not there yet"
    unique = [answer.error <= CLOSE for _, answer in answers if answer.unique]
    testable = [answer.error <= CLOSE for case, answer in answers if case.classes >= TESTABLE]
    return f"{sum(unique)}/{len(unique)} | {sum(testable)}/{len(testable)}"


def print_table(title: str, rows: list[str], columns: list[str], texts: dict[tuple[str, str], str]) -> None:
    print(f"\n{title}")
    widths = [max(len(column), *(len(texts.get((row, column), "")) for row in rows)) + 2 for column in columns]
    print(f"{'':20}" + "".join(f"{column:>{width}}" for column, width in zip(columns, widths, strict=True)))
    for row in rows:
        cells = (f"{texts.get((row, column), ''):>{width}}" for column, width in zip(columns, widths, strict=True))
        print(f"{row:20}" + "".join(cells))


def print_totals(verdicts: dict[Case, Verdict]) -> None:
    wrong_worlds = {case: verdict for case, verdict in verdicts.items() if case.world != "honest"}
    print("\ntotals without the honest control")
    for label, few in ((f"{TESTABLE} classes or more", False), (f"fewer than {TESTABLE}", True)):
        counts = Counter(v.outcome for case, v in wrong_worlds.items() if (case.classes < TESTABLE) == few)
        print(f"{label:20}" + "".join(f"  {o.name.lower().replace('_', ' ')} {counts[o]}" for o in Outcome))
    conditions = Counter(
        (v.words.split(" If ")[-1], case.world) for case, v in verdicts.items() if v.outcome == Outcome.WRONG_IF
    )
    for (condition, world), count in sorted(conditions.items()):
        print(f"  wrong {count:4} times in {world}: if {condition}")


def print_examples(verdicts: dict[Case, Verdict], outcomes: str, count: int) -> None:
    for outcome in outcomes:
        chosen = [(case, v) for case, v in verdicts.items() if v.outcome == outcome][:count]
        for case, verdict in chosen:
            print(f"{outcome} {' '.join(map(str, case))}: off by {verdict.error:.3g}; {verdict.words}")


def print_told_misses(told: dict[Case, Told], count: int) -> None:
    misses = [(case, t) for case, t in told.items() if t.there and t.unique and t.error > CLOSE]
    for case, answer in misses[:count]:
        print(f"told {' '.join(map(str, case))}: unique, off by {answer.error:.3g}; {answer.words}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("worlds", nargs="*", help="parts of world names; all of them by default")
    parser.add_argument("--classes", type=int, nargs="+", default=CLASSES)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=STUDIED)
    parser.add_argument("--heads", nargs="+", choices=HEADS, default=HEADS)
    parser.add_argument("--kinds", nargs="+", choices=(*KINDS, "dirichlet"), default=KINDS)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="one label kind each, in turn")
    parser.add_argument(
        "--show", type=int, default=0, help="how many examples to show of misses when told, and of the outcomes in --of"
    )
    parser.add_argument("--of", default="W!", help="letters of outcomes")
    parser.add_argument("--untold", action="store_true", help="leave out the options that tell the truth")
    return parser.parse_args()


def main() -> None:
    torch.set_num_threads(1)
    options, started = read_options(), time.process_time()
    verdicts: dict[Case, Verdict] = {}
    told: dict[Case, Told] = {}
    for case in cases_of(options):
        played = set_up(case)
        verdicts[case] = judge(played, **({"label_format": "any"} if case.kind == "dirichlet" else {}))
        answer = None if options.untold or too_slow(case, played) else judge_told(played)
        if answer is not None:
            told[case] = answer
    columns = [f"{family} {head}" for family, head in product(options.families, options.heads)]
    print(LEGEND)
    for few in (False, True):
        part = {case: verdict for case, verdict in verdicts.items() if (case.classes < TESTABLE) == few}
        if part:
            classes = ", ".join(map(str, sorted({case.classes for case in part})))
            print_outcomes(f"default options, C = {classes}", part, columns)
    if told:
        print_told(told, columns)
    print_totals(verdicts)
    print_examples(verdicts, options.of, options.show)
    print_told_misses(told, options.show)
    print(f"\n{len(verdicts)} cases in {time.process_time() - started:.0f} s of processor time")


if __name__ == "__main__":
    main()
