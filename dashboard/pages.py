"""The pages, in the order of the menu. A new page is declared here, and drawn in a file of its name in `app_pages`."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from dashboard.address import classroom

__all__ = ["DEMO", "EXPERIMENTS", "FAILURES", "GALLERY", "LAB", "LESSON", "PAGES", "PROTECTION", "Page"]

_KEPT = "The link that brought you here keeps its scenario."


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        name: of its file.
        title: in the menu.
        icon: beside the title, and beside every link that leads there.
    """

    name: str
    title: str
    icon: str

    @property
    def path(self) -> str:
        """Its file, as Streamlit wants it."""
        return f"app_pages/{self.name}.py"

    def link(self, label: str, query: Mapping[str, str] | None = None) -> None:
        """Draw a link to it.

        Args:
            label: what it says.
            query: of another scenario to open there, None to stay with the one at hand. Where a teacher's link keeps
                the scenario, such a link is shown and leads nowhere.
        """
        kept = query is not None and classroom().locked
        st.page_link(
            self.path, label=label, icon=self.icon, query_params=query, disabled=kept, help=_KEPT if kept else None
        )


LAB = Page("lab", "Lab", ":material/science:")
LESSON = Page("lesson", "Lesson", ":material/school:")
DEMO = Page("demo", "Demo", ":material/play_circle:")
GALLERY = Page("gallery", "Gallery", ":material/gallery_thumbnail:")
FAILURES = Page("failures", "Failures", ":material/troubleshoot:")
PROTECTION = Page("protection", "What protects", ":material/shield:")
EXPERIMENTS = Page("experiments", "Experiments", ":material/table_chart:")

PAGES = (LAB, LESSON, DEMO, GALLERY, FAILURES, PROTECTION, EXPERIMENTS)
"""The first is the one that opens without an address."""
