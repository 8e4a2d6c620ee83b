"""Interactive figures that run wholly in the browser, without a round trip to the server."""

from dashboard.components.frame_player import Curve, Frame, frame_player
from dashboard.components.image_strip import image_strip
from dashboard.components.lambda_scrubber import ScrubberData, lambda_scrubber

__all__ = ["Curve", "Frame", "ScrubberData", "frame_player", "image_strip", "lambda_scrubber"]
