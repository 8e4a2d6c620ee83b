"""What the command line prints: text for people, strict JSON for programs."""

from __future__ import annotations

import json
import math
import re

from gradinv_core.diagnosis import Diagnosis
from gradinv_core.label_recovery import LabelRecovery

__all__ = ["answer_json", "answer_text", "diagnosis_json", "diagnosis_text", "in_options"]

_AS_OPTIONS = (
    (r"gradient_scale='(\w+)'", r"--gradient-scale \1"),
    (r"label_format='([\w+]+)'", r"--label-format \1"),
    (r"\btemperature=([\d.]*\d)", r"--temperature \1"),
    (r"\bnoise_std\b", "--noise-std"),
)


def in_options(sentence: str) -> str:
    """A sentence of the library with its arguments as options of the command line."""
    for pattern, option in _AS_OPTIONS:
        sentence = re.sub(pattern, option, sentence)
    return sentence


def answer_json(answer: LabelRecovery) -> str:
    """Strict JSON: an infinite end of an interval is null."""
    return (
        json.dumps(
            {
                "status": answer.status,
                "message": answer.message,
                "condition": answer.condition,
                "doubt": answer.doubt,
                "factor": _finite(answer.factor),
                "label_format": answer.label_format,
                "label": answer.label.tolist(),
                "feature": answer.feature.tolist(),
                "scale": _finite(answer.scale),
                "row": answer.row,
                "loss": answer.loss,
                "intervals": [[_finite(low), _finite(high)] for low, high in answer.intervals],
                "candidates": [
                    {"scale": _finite(c.scale), "loss": c.loss, "label": c.label.tolist()} for c in answer.candidates
                ],
                "window": answer.window,
                "solver": answer.solver,
                "evaluations": answer.evaluations,
                "seconds": answer.seconds,
                "noise": answer.noise,
            },
            allow_nan=False,
        )
        + "\n"
    )


def answer_text(answer: LabelRecovery) -> str:
    """A few lines with the five largest shares."""
    order = answer.label.argsort(descending=True)[:5].tolist()
    top = ", ".join(f"class {index}: {answer.label[index]:.6f}" for index in order)
    pieces = " or ".join(f"[{low:.8g}, {high:.8g}]" for low, high in answer.intervals)
    lines = [
        f"status        {answer.status} - {in_options(answer.message)}",
        f"label format  {answer.label_format}",
        f"label         {top}" + (", ..." if len(answer.label) > 5 else ""),
        f"lambda        {answer.scale:.10g}, row {answer.row}; consistent: {pieces}",
        f"feature       {len(answer.feature)} entries, norm {float(answer.feature.norm()):.6g}",
        f"solver        {answer.solver}, {answer.evaluations} evaluations, {1e3 * answer.seconds:.2f} ms",
    ]
    return "\n".join(lines) + "\n"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def diagnosis_text(found: Diagnosis) -> str:
    """Title, what the computation shows, what would help the attacker."""
    return f"{found.title}\n{in_options(found.message)}\nWhat would help the attacker: {found.remedy}\n"


def diagnosis_json(found: Diagnosis) -> str:
    """Strict JSON."""
    measures = {name: _finite(value) for name, value in found.measures.items()}
    whole = {"cause": found.cause, "title": found.title, "message": found.message, "remedy": found.remedy}
    return json.dumps(whole | {"measures": measures, "traces": list(found.traces)}, allow_nan=False) + "\n"
