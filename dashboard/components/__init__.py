"""Interactive figures that run wholly in the browser, without a round trip to the server."""

from dashboard.components.access_keeper import access_keeper
from dashboard.components.class_links import class_links
from dashboard.components.colour_keeper import colour_keeper
from dashboard.components.figure_saver import figure_saver
from dashboard.components.frame_player import Frame, PlanPart, Trace, frame_player
from dashboard.components.history_keeper import history_keeper
from dashboard.components.image_strip import image_strip
from dashboard.components.lambda_scrubber import ScrubberData, lambda_scrubber
from dashboard.components.solver_race import RaceData, Track, solver_race
from dashboard.components.word_marks import word_marks

__all__ = [
    "Frame",
    "PlanPart",
    "RaceData",
    "ScrubberData",
    "Trace",
    "Track",
    "access_keeper",
    "class_links",
    "colour_keeper",
    "figure_saver",
    "frame_player",
    "history_keeper",
    "image_strip",
    "lambda_scrubber",
    "solver_race",
    "word_marks",
]
