"""A text as the codewords of a QR code: its bytes, and what Reed and Solomon add so that a few may be misread."""

from __future__ import annotations

from functools import cache

__all__ = ["LONGEST", "codewords"]

# Version 1, 2, ...: error correction codewords of each block, and how many blocks (ISO/IEC 18004, table 9, level M).
_CORRECTING = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26)
_BLOCKS = (1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16)
_BYTES, _PADDING = 0b0100, (0b11101100, 0b00010001)
_FIELD = 0b1_0001_1101  # x^8 + x^4 + x^3 + x^2 + 1


def codewords(text: str) -> tuple[int, bytes]:
    """Version and codewords of the smallest code that holds a text.

    Args:
        text: at most `LONGEST` bytes in UTF-8.

    Returns:
        Version 1 to 20, and the codewords of all blocks, interleaved as they are drawn.

    Raises:
        ValueError: the text is longer.
    """
    content = text.encode()
    version = next((each for each in range(1, len(_BLOCKS) + 1) if len(content) <= _room(each)), None)
    if version is None:
        raise ValueError(f"expected a text of at most {LONGEST} bytes, got {len(content)}; shorten it")
    data = _with_frame(content, version)
    count, correcting = _BLOCKS[version - 1], _CORRECTING[version - 1]
    short, longer = divmod(len(data), count)
    ends = [short * (place + 1) + max(0, place + 1 - count + longer) for place in range(count)]
    blocks = [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    return version, _interleaved(blocks) + _interleaved([_corrections(block, correcting) for block in blocks])


def _room(version: int) -> int:
    """Bytes of text: the kind and the count come first."""
    return _data_count(version) - (2 if version < 10 else 3)


def _data_count(version: int) -> int:
    """Codewords that are no correction: from the modules of a version, those of its patterns left out."""
    modules = (16 * version + 128) * version + 64
    if version >= 2:
        aligned = version // 7 + 2
        modules -= (25 * aligned - 10) * aligned - 55
    if version >= 7:
        modules -= 36
    return modules // 8 - _CORRECTING[version - 1] * _BLOCKS[version - 1]


LONGEST = _room(len(_BLOCKS))
"""Most bytes of a text; a larger code is no longer read off a wall."""


def _with_frame(content: bytes, version: int) -> bytes:
    """Kind, count, content, end, and padding up to the version's size."""
    count_bits = 8 if version < 10 else 16
    bits = f"{_BYTES:04b}{len(content):0{count_bits}b}" + "".join(f"{byte:08b}" for byte in content) + "0000"
    framed = bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))
    missing = _data_count(version) - len(framed)
    return framed + bytes(_PADDING[place % 2] for place in range(missing))


def _interleaved(blocks: list[bytes]) -> bytes:
    """First codewords of all blocks, then the second ones; the longer blocks come last."""
    return bytes(block[place] for place in range(len(blocks[-1])) for block in blocks if place < len(block))


def _corrections(data: bytes, count: int) -> bytes:
    """Remainder of the data, as a polynomial, by the generator of so many corrections."""
    generator, remainder = _generator(count), [0] * count
    for value in data:
        factor = value ^ remainder[0]
        shifted = [*remainder[1:], 0]
        remainder = [old ^ _times(part, factor) for old, part in zip(shifted, generator, strict=True)]
    return bytes(remainder)


@cache
def _generator(count: int) -> tuple[int, ...]:
    """(x - 1)(x - 2)(x - 4)...: its coefficients without the leading one, highest power first."""
    coefficients, root = [1], 1
    for _ in range(count):
        lower = [_times(part, root) for part in coefficients]
        coefficients = [high ^ low for high, low in zip([*coefficients, 0], [0, *lower], strict=True)]
        root = _times(root, 2)
    return tuple(coefficients[1:])


def _times(first: int, second: int) -> int:
    """Product in the field of 256 elements."""
    product = 0
    for bit in range(7, -1, -1):
        product = product << 1 ^ (product >> 7) * _FIELD
        product ^= (second >> bit & 1) * first
    return product
