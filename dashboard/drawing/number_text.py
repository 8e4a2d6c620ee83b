"""Numbers as people read them: few digits, a true minus sign, powers of ten where they help."""

import math

__all__ = ["percent", "plain", "power_of_ten", "tex"]

_TIMES = "\u00a0×\u00a0"  # no-break spaces: a number that breaks over two lines is two numbers
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(value: float, digits: int = 3) -> str:
    """Significant digits, with a power of ten where the number is far from one: -1.83, 0.0412, 3 x 10 to the -7."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        whole = math.floor(math.log10(abs(value))) + 1
        return f"{value:.{max(digits - whole, 0)}f}".replace("-", "−")
    mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
    return f"{mantissa}{_TIMES}{power_of_ten(int(exponent))}".replace("-", "−")


def power_of_ten(exponent: int) -> str:
    """A tick of a logarithmic axis: 1, then 10 with its exponent."""
    return "1" if exponent == 0 else f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def percent(value: float) -> str:
    """A share of one, in per cent, with one decimal below ten; neither 0 % nor 100 % unless it is."""
    shown = 100 * value
    if value == 0 or 0 < shown < 0.05:
        return "under 0.1 %" if value else "0 %"
    if 99.5 <= shown < 99.999:
        return "over 99 %"
    return f"{shown:.1f} %" if shown < 10 else f"{shown:.0f} %"


def tex(value: float, digits: int = 4) -> str:
    r"""A number for a LaTeX formula: 3.1 \times 10^{-7}."""
    if math.isnan(value):
        return r"\text{unknown}"
    if math.isinf(value):
        return r"\infty" if value > 0 else r"-\infty"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return plain(value, digits).replace("−", "-")
    mantissa, exponent = f"{value:.{max(digits - 2, 0)}e}".split("e")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}"
