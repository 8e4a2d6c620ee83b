"""One colour language for every figure, in both themes.

Truth is a dark outline, recovered is strong blue, a baseline is orange, ambiguous is hatched, infeasible is pale.
Blue against orange stays apart for every common kind of colour blindness. In the dark theme "dark outline" turns into a
light one: what matters is that the truth is drawn as an outline and nothing else is.

The hues stand in `.streamlit/config.toml`, where Streamlit and, as CSS variables, the components read them, too.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["AMBIGUOUS_HATCH", "DARK", "FONT", "LIGHT", "Palette", "palette"]

FONT = '"Source Sans", "Source Sans Pro", "Segoe UI", system-ui, sans-serif'
"""Streamlit ships this font; the others are what a saved figure falls back to."""

AMBIGUOUS_HATCH = "/"
"""Plotly fill pattern of anything that the gradient does not settle."""


@dataclass(frozen=True)
class Palette:
    """The colours of one theme, named by what they mean.

    Attributes:
        background: the page itself.
        text: words, and the numbers on axes.
        muted: captions and secondary words.
        grid: hair lines.
        truth: outline of anything only the client knows.
        recovered: fill of anything the server worked out.
        recovered_pale: the same, where it is not feasible or not settled.
        baseline: an earlier or naive attacker.
        infeasible: shade behind values that no probability can take.
        negative: the far end of a signed colour scale whose other end is `recovered`.
    """

    background: str
    text: str
    muted: str
    grid: str
    truth: str
    recovered: str
    recovered_pale: str
    baseline: str
    infeasible: str
    negative: str

    @property
    def signed_scale(self) -> list[tuple[float, str]]:
        """Colour scale for signed values: `negative` below zero, the page at zero, `recovered` above.

        Colours follow the cube root of a value: a thousandth of the largest one is still a tint, not nothing.
        """
        steps = [number / _SCALE_STEPS for number in range(_SCALE_STEPS + 1)]
        below = [(0.5 - 0.5 * step**3, _blend(self.background, self.negative, step)) for step in reversed(steps[1:])]
        above = [(0.5 + 0.5 * step**3, _blend(self.background, self.recovered, step)) for step in steps]
        return below + above


_SCALE_STEPS = 12
_SETTINGS = Path(__file__).resolve().parents[1] / ".streamlit" / "config.toml"


def _blend(start: str, end: str, share: float) -> str:
    """Colour `share` of the way from one `#rrggbb` to another."""
    channels = zip(bytes.fromhex(start[1:]), bytes.fromhex(end[1:]), strict=True)
    return "#" + "".join(f"{round(first + share * (last - first)):02x}" for first, last in channels)


def _translucent(colour: str, opacity: float) -> str:
    """A `#rrggbb` that lets the page through."""
    red, green, blue = bytes.fromhex(colour[1:])
    return f"rgba({red}, {green}, {blue}, {opacity})"


def _palette(name: str, *, grid: float, pale: float, infeasible: float, negative: str) -> Palette:
    """The hues of a theme, how much of the page shines through those that let it, and the one hue of our own."""
    hues = tomllib.loads(_SETTINGS.read_text(encoding="utf-8"))["theme"][name]
    return Palette(
        background=hues["backgroundColor"],
        text=hues["textColor"],
        muted=hues["grayColor"],
        grid=_translucent(hues["textColor"], grid),
        truth=hues["textColor"],
        recovered=hues["blueColor"],
        recovered_pale=_translucent(hues["blueColor"], pale),
        baseline=hues["orangeColor"],
        infeasible=_translucent(hues["textColor"], infeasible),
        negative=negative,
    )


LIGHT = _palette("light", grid=0.12, pale=0.32, infeasible=0.07, negative="#6e4a2c")
DARK = _palette("dark", grid=0.16, pale=0.36, infeasible=0.08, negative="#d3ad8c")


def palette(dark: bool) -> Palette:
    """Colours of the dark theme, or of the light one."""
    return DARK if dark else LIGHT
