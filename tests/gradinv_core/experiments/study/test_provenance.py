"""A row's code is everything that its outcome follows from."""

import pytest

from gradinv_core.experiments.study.provenance import _NOT_PLAYED, _PACKAGE


@pytest.mark.parametrize(
    ("place", "played"),
    [
        ("client.py", True),  # begins like a command's file
        ("experiments/client/training_step.py", True),
        ("label_recovery/report.py", True),  # the solver's report, not a study's
        ("experiments/study/attack.py", True),
        ("experiments/study/report/tables.py", False),
        ("cli.py", False),
        ("cli_experiment.py", False),
        ("training/course.py", False),
    ],
)
def test_what_changes_a_row_changes_its_key(place, played):
    assert (_PACKAGE / place).is_file()
    assert bool(_NOT_PLAYED.fullmatch(place)) is not played
