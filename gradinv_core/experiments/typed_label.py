"""A label that a visitor types: `0.5, 0.3, 0.2` class by class, or `3: 0.5, 7: 0.3, 1: 0.2` with class numbers."""

import math
import re

import numpy as np

__all__ = ["DEFAULT_SHARES", "LONGEST_TEXT", "random_shares", "read_shares", "share_label"]

DEFAULT_SHARES = "0.5, 0.3, 0.2"
LONGEST_TEXT = 8000  # a thousand classes with six characters each, and some room

_ENTRY = re.compile(r"(?:([0-9]{1,6}):)?([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)")
_EXPECTED = "it must look like 0.5, 0.3, 0.2 or like 3: 0.5, 7: 0.3, 1: 0.2"
_SUM_TOLERANCE = 1e-5  # the core's: see gradinv_core.labels.check_soft_label
_MOST_CLASSES_DRAWN = 20
_DRAWS = 50


def read_shares(text: str) -> dict[int, float]:
    """Class number -> share, as it was typed.

    Args:
        text: shares separated by commas, semicolons or spaces; with a class number before each, or before none.

    Raises:
        ValueError: with half a sentence about what was expected.
    """
    words = re.sub(r"\s*:\s*", ":", text.strip()).replace(",", " ").replace(";", " ").split()
    entries = [_ENTRY.fullmatch(word) for word in words]
    if not words or len(text) > LONGEST_TEXT or not all(entries):
        raise ValueError(_EXPECTED)
    pairs = [(entry[1], float(entry[2])) for entry in entries if entry]
    numbered = {number is not None for number, _ in pairs}
    if len(numbered) > 1 or not all(math.isfinite(share) for _, share in pairs):
        raise ValueError(_EXPECTED)
    shares = {index if number is None else int(number): share for index, (number, share) in enumerate(pairs)}
    if len(shares) < len(pairs):
        raise ValueError("it names a class twice")
    return shares


def share_label(text: str, classes: int) -> tuple[float, ...]:
    """The (C,) label that a text describes; classes that are not mentioned get nothing.

    Args:
        text: as `read_shares` reads it.
        classes: number of classes C.

    Raises:
        ValueError: with a sentence, less its full stop, that says what to change.
    """
    try:
        shares = read_shares(text)
    except ValueError as error:
        raise ValueError(f"The label you typed cannot be read: {error}") from error
    if max(shares) >= classes:
        raise ValueError(f"There is no class {max(shares)} for the label you typed: the last one is {classes - 1}")
    smallest = min(shares, key=shares.__getitem__)
    if shares[smallest] < 0:
        raise ValueError(f"The share of class {smallest} is negative: make it 0 or more")
    missing = 1 - sum(shares.values())
    if abs(missing) > _SUM_TOLERANCE:
        change = f"add {missing:.4g}" if missing > 0 else f"take away {-missing:.4g}"
        raise ValueError(f"The shares you typed sum to {1 - missing:.6g} instead of 1: {change}")
    return tuple(shares.get(index, 0.0) for index in range(classes))


def random_shares(classes: int, seed: int, current: str = "") -> str:
    """A label drawn from a Dirichlet distribution, as a text that sums to exactly 1 in three digits.

    Args:
        classes: number of classes C; with many, a few of them share the label.
        seed: another seed, other labels.
        current: the text now in use. If it is one of this seed's draws, the next one follows.
    """
    draws = [_draw(classes, seed, number) for number in range(_DRAWS)]
    following = draws.index(current) + 1 if current in draws else 0
    return draws[following % _DRAWS]


def _draw(classes: int, seed: int, number: int) -> str:
    rng = np.random.default_rng([seed, number])
    count = min(classes, _MOST_CLASSES_DRAWN)
    chosen = np.sort(rng.choice(classes, count, replace=False))
    exact = 1000 * rng.dirichlet(np.ones(count))
    parts = np.floor(exact).astype(int)
    # What rounding down took away goes to the classes that lost most.
    losers = np.argsort(parts - exact, kind="stable")[: 1000 - parts.sum()]
    parts[losers] += 1
    texts = [f"{part / 1000:.3f}" for part in parts]
    if count == classes:
        return ", ".join(texts)
    return ", ".join(f"{index}: {text}" for index, text in zip(chosen, texts, strict=True))
