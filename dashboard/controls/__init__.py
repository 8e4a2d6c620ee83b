"""The sidebar that all pages with a scenario share."""

from dashboard.controls.sidebar import Choice, choose_scenario

__all__ = ["Choice", "choose_scenario"]
