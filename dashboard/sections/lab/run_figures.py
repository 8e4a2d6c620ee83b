"""The figures of a run that go into a page to take along, from what is small enough to be kept for every run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dashboard.claims import label as label_claims
from dashboard.claims.feature import feature_finding
from dashboard.figures import feature_plot, label_bars
from dashboard.figures.sketch import Sketch
from dashboard.sections.story.view import LabView

__all__ = ["RunFigures"]


@dataclass(frozen=True)
class RunFigures:
    """Label and feature of a run, recovered and true, and what the page says of them.

    Attributes:
        label: (C,) recovered, and `true_label` the client's.
        feature: (d,) recovered, and `true_feature` the client's.
        class_names: (C,) names.
        label_finding: title of the label's figure.
        feature_finding: title of the feature's figure.
        label_settled: whether the label is the only one that fits.
        feature_settled: whether the feature is.
    """

    label: torch.Tensor
    true_label: torch.Tensor
    feature: torch.Tensor
    true_feature: torch.Tensor
    class_names: list[str]
    label_finding: str
    feature_finding: str
    label_settled: bool
    feature_settled: bool

    @classmethod
    def of(cls, view: LabView) -> RunFigures:
        """Those of a solved scenario."""
        found, server, truth = view.attack.recovery, view.server, view.truth
        return cls(
            found.label,
            truth.label,
            found.feature,
            truth.feature,
            view.class_names,
            label_claims.headline(server, truth, view.class_names).text,
            feature_finding(server, truth).text,
            server.label_settled,
            server.feature_settled,
        )

    def drawn(self, *, dark: bool) -> list[Sketch]:
        """The label's bars, then the feature."""
        bars = label_bars(
            self.label,
            self.true_label,
            None,
            self.class_names,
            title=self.label_finding,
            settled=self.label_settled,
            dark=dark,
        )
        line = feature_plot(
            self.feature, self.true_feature, title=self.feature_finding, ambiguous=not self.feature_settled, dark=dark
        )
        return [bars, line]
