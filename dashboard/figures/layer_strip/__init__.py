"""The network as a strip of rows, the picture on top: how much each layer's equations say about what went into it.

A chain is a plain strip. Where skips lead around blocks, a row is a block, and the skips are drawn beside the rows.
"""

from dashboard.figures.layer_strip.rows import StripBlock, StripLayer
from dashboard.figures.layer_strip.strip import layer_strip

__all__ = ["StripBlock", "StripLayer", "layer_strip"]
