"""The numbers of one run, as JSON and as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradinv_core.experiments.client.training_step import ClientStep
from gradinv_core.experiments.scenario import VERSION, Scenario, to_query
from gradinv_core.experiments.server.attack import LabelAttack
from gradinv_core.image_recovery import ImageRecovery
from gradinv_core.metrics import max_abs_error, psnr, relative_error, ssim

__all__ = ["Run", "label_table", "numbers"]


@dataclass(frozen=True)
class Run:
    """One scenario, attacked.

    Attributes:
        scenario: what was played.
        class_names: (C,) names.
        client: the client's side, with the truth.
        attack: what the server read off the head.
        recovery: the picture it rebuilt; None where there is none.
    """

    scenario: Scenario
    class_names: Sequence[str]
    client: ClientStep
    attack: LabelAttack
    recovery: ImageRecovery | None


def numbers(run: Run) -> str:
    """JSON text: the scenario as its address has it, the answer, the truth, and what lies between them."""
    found, truth = run.attack.recovery, run.client.mean
    content: dict[str, Any] = {
        "scenario": to_query(run.scenario) | {"v": str(VERSION)},
        "own_photo": run.scenario.own_photo,
        "status": str(found.status),
        "message": found.message,
        "lambda": {
            "recovered": found.scale,
            "true": run.client.scale_of(run.attack.head.row_gradient[0]),
            "intervals": [list(interval) for interval in found.intervals],
        },
        "label": {
            "classes": list(run.class_names),
            "recovered": found.label.tolist(),
            "true": truth.label.tolist(),
            "largest_error": max_abs_error(found.label, truth.label),
        },
        "feature": {"relative_error": relative_error(found.feature, truth.feature)},
        "picture": _picture(run),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def label_table(run: Run) -> str:
    """CSV text: one line for each class, with the range of shares that fit."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", "recovered share", "smallest that fits", "largest that fits", "true share"])
    found, truth, allowed = run.attack.recovery.label, run.client.mean.label, run.attack.allowed
    rows = zip(
        run.class_names, found.tolist(), allowed.low.tolist(), allowed.high.tolist(), truth.tolist(), strict=True
    )
    writer.writerows([_harmless(name), *shares] for name, *shares in rows)
    return table.getvalue()


def _picture(run: Run) -> dict[str, Any] | None:
    if run.recovery is None:
        return None
    image, true = run.recovery.image, run.client.mean.image
    return {
        "method": run.recovery.method,
        "reason": run.recovery.reason,
        "psnr": psnr(image, true),
        "ssim": ssim(image, true),
        "seconds": run.recovery.seconds,
        "layers": [
            {"name": layer.name, "unknowns": layer.unknowns, "equations": layer.equations, "rank": layer.rank}
            for layer in run.recovery.layers
        ],
    }


def _harmless(name: str) -> str:
    """A class's name; a spreadsheet must not take it for a formula."""
    return f"'{name}" if name[:1] in "=+-@" else name
