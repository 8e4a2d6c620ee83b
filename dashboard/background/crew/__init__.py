"""Heavy work, outside of the page's own process: a few workers, a line in front of them, one answer per question."""

from dashboard.background.crew.crew import Crew, the_crew
from dashboard.background.crew.flight import Lane, Order, Place

__all__ = ["Crew", "Lane", "Order", "Place", "the_crew"]
