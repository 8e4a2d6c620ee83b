"""Where the codewords of a QR code go: fixed patterns, a winding path between them, and a mask over it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from dashboard.drawing.qr.codewords import codewords

__all__ = ["qr_modules"]

Modules = npt.NDArray[np.bool_]

_LEVEL_M = 0b00
_FORMAT, _FORMAT_MASK, _VERSION = 0b101_0011_0111, 0b101_0100_0001_0010, 0b1_1111_0010_0101
_FINDER = np.maximum(*np.abs(np.indices((9, 9)) - 4))  # distance from the middle of a finder, its light rim included
_LIKE_A_FINDER = tuple(np.array([digit == "1" for digit in pattern]) for pattern in ("10111010000", "00001011101"))


def qr_modules(text: str) -> Modules:
    """(n, n) modules of the smallest code that holds a text, True where dark, without the quiet zone.

    Args:
        text: at most `LONGEST` bytes in UTF-8.

    Raises:
        ValueError: the text is longer.
    """
    return min(_masked(text), key=_penalty)


def _masked(text: str) -> list[Modules]:
    """The code under each of the eight masks; all of them say the same."""
    version, content = codewords(text)
    size = 17 + 4 * version
    dark, fixed = np.zeros((size, size), bool), np.zeros((size, size), bool)
    _draw_patterns(dark, fixed, version)
    bits = np.unpackbits(np.frombuffer(content, np.uint8)).astype(bool)
    free = [place for place in _path(size) if not fixed[place]]
    for place, bit in zip(free, bits, strict=False):  # a few modules may be left over, and stay light
        dark[place] = bit
    codes = []
    for number, mask in enumerate(_masks(size)):
        modules = dark ^ (mask & ~fixed)
        _draw_format(modules, number)
        codes.append(modules)
    return codes


def _draw_patterns(dark: Modules, fixed: Modules, version: int) -> None:
    """Everything that is the same for every text of a version, and a place for the format."""
    size = len(dark)
    dark[6, ::2] = dark[::2, 6] = True
    fixed[6] = fixed[:, 6] = True
    centres = _alignments(version)
    for row in centres:
        for column in centres:
            if (row, column) not in ((6, 6), (6, centres[-1]), (centres[-1], 6)):
                around = slice(row - 2, row + 3), slice(column - 2, column + 3)
                dark[around], fixed[around] = _FINDER[2:7, 2:7] != 1, True
    finder = (_FINDER != 2) & (_FINDER != 4)
    dark[:8, :8], dark[:8, -8:], dark[-8:, :8] = finder[1:, 1:], finder[1:, :8], finder[:8, 1:]
    fixed[:9, :9] = fixed[:9, -8:] = fixed[-8:, :9] = True
    if version >= 7:
        number = version << 12 | _remainder(version << 12, _VERSION)
        block = np.array([number >> place & 1 for place in range(18)], bool).reshape(6, 3)
        dark[:6, size - 11 : size - 8], dark[size - 11 : size - 8, :6] = block, block.T
        fixed[:6, size - 11 : size - 8] = fixed[size - 11 : size - 8, :6] = True


def _alignments(version: int) -> list[int]:
    """Rows, and columns, of the small squares' centres."""
    if version == 1:
        return []
    last, gaps = 4 * version + 10, version // 7 + 1
    step = -(-(last - 6) // gaps)
    step += step % 2
    return [6, *(last - step * place for place in reversed(range(gaps)))]


def _path(size: int) -> Iterator[tuple[int, int]]:
    """All modules in the order of the bits: pairs of columns from the right, up and down by turns."""
    for turn, right in enumerate([*range(size - 1, 6, -2), 5, 3, 1]):
        for step in range(size):
            row = step if turn % 2 else size - 1 - step
            yield row, right
            yield row, right - 1


def _masks(size: int) -> list[Modules]:
    """The eight patterns, True where they turn a module round."""
    row, column = np.indices((size, size))
    product = row * column
    kept = (
        (row + column) % 2,
        row % 2,
        column % 3,
        (row + column) % 3,
        (row // 2 + column // 3) % 2,
        product % 2 + product % 3,
        (product % 2 + product % 3) % 2,
        ((row + column) % 2 + product % 3) % 2,
    )
    return [each == 0 for each in kept]


def _draw_format(modules: Modules, mask: int) -> None:
    """Error correction level and mask, twice."""
    data = (_LEVEL_M << 3 | mask) << 10
    number = (data | _remainder(data, _FORMAT)) ^ _FORMAT_MASK
    bits = [bool(number >> place & 1) for place in range(15)]
    modules[[*range(6), 7, 8], 8] = bits[:8]
    modules[8, [7, *range(5, -1, -1)]] = bits[8:]
    modules[8, range(len(modules) - 1, len(modules) - 9, -1)] = bits[:8]
    modules[-7:, 8] = bits[8:]
    modules[-8, 8] = True


def _remainder(value: int, generator: int) -> int:
    """Of a polynomial over the field of two elements, its coefficients the bits."""
    while value.bit_length() >= generator.bit_length():
        value ^= generator << value.bit_length() - generator.bit_length()
    return value


def _penalty(modules: Modules) -> float:
    """How hard a masked code is to read: long runs, blocks, what looks like a finder, and too much of one colour."""
    total = 0.0
    for lines in (modules, modules.T):
        for line in lines:
            edges = np.flatnonzero(np.diff(line)) + 1
            runs = np.diff(np.concatenate(([0], edges, [line.size])))
            total += (runs[runs >= 5] - 2).sum()
        windows = np.lib.stride_tricks.sliding_window_view(lines, 11, axis=1)
        total += 40 * sum(int((windows == pattern).all(-1).sum()) for pattern in _LIKE_A_FINDER)
    blocks = np.lib.stride_tricks.sliding_window_view(modules, (2, 2)).sum((-1, -2))
    total += 3 * np.isin(blocks, (0, 4)).sum()
    return float(total + 10 * (abs(modules.mean() - 0.5) // 0.05))
