"""Pure functions from arrays to Plotly figures, one figure per file. They know nothing of the page that shows them."""

from dashboard.figures.convergence import convergence
from dashboard.figures.defence_curves import ServerCurve, batch_size_curves, defence_curves
from dashboard.figures.feature_plot import feature_plot
from dashboard.figures.gradient_heatmap import gradient_heatmap, outside_rank_one
from dashboard.figures.label_bars import label_bars
from dashboard.figures.layer_strip import StripBlock, StripLayer, layer_strip
from dashboard.figures.probability_bars import probability_bars

__all__ = [
    "ServerCurve",
    "StripBlock",
    "StripLayer",
    "batch_size_curves",
    "convergence",
    "defence_curves",
    "feature_plot",
    "gradient_heatmap",
    "label_bars",
    "layer_strip",
    "outside_rank_one",
    "probability_bars",
]
