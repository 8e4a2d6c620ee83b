"""The stored curves of the defences: read as they were written, drawn as stored, and honest about what they show."""

import json

import numpy as np
import pytest

from dashboard.figures import ServerCurve, batch_size_curves, defence_curves
from gradinv_core.defences import DEFENCES
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.sweep import stored_study as stored_curves
from gradinv_core.experiments.sweep.batch_study import measure_batches
from gradinv_core.experiments.sweep.stored_study import (
    BATCH_FILE,
    STUDY_FILE,
    StoredBatches,
    StoredCurve,
    StoredPoint,
    read_batches,
    read_study,
)
from gradinv_core.experiments.sweep.summary import SWEEP_METRICS, Kind


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """An empty folder in which the studies are looked for."""
    monkeypatch.setattr(stored_curves, "_PLACES", (tmp_path / "nowhere", tmp_path))
    for read in (read_study, read_batches):
        read.cache_clear()
    yield tmp_path
    for read in (read_study, read_batches):
        read.cache_clear()


def point(**changes):
    values = {
        "strength": 0.1,
        "attacks": 50,
        "right": 0.5,
        "right_class": 0.75,
        "shares": {"certain": 0.5, "no answer": 0.5},
        "bands": {"label_error": (1e-7, 0.25, 0.5), "psnr": (np.nan, np.nan, np.nan)},
    }
    return StoredPoint(**(values | changes))


def test_every_defence_was_measured_with_fifty_attacks_or_more_and_both_servers():
    study = read_study()
    networks = {network for network, _, _ in study.curves}
    assert set(study.curves) == {
        (network, defence, aware) for network in networks for defence in DEFENCES for aware in (False, True)
    }
    for curve in study.curves.values():
        assert all(point.attacks >= 50 for point in curve.points)
        assert all(set(point.bands) == set(SWEEP_METRICS) for point in curve.points)
        assert all(set(point.shares) == {str(kind) for kind in Kind} for point in curve.points)
        assert all(sum(point.shares.values()) == pytest.approx(1, abs=1e-3) for point in curve.points)
    assert study.command == "make curves"


def test_the_server_that_knows_of_the_clipping_loses_nothing():
    clipped = [curve for (_, defence, aware), curve in read_study().curves.items() if defence == "clip" and aware]
    assert clipped
    assert all(point.right >= 0.98 for curve in clipped for point in curve.points)


def test_a_curve_survives_its_file(elsewhere):
    points = (point(), point(strength=0.5))
    curves = [StoredCurve("lenet_sigmoid", name, aware, points) for name in DEFENCES for aware in (False, True)]
    content = {"command": "make curves", "date": "2026-01-02", "curves": [curve.as_json() for curve in curves]}
    (elsewhere / STUDY_FILE.name).write_text(json.dumps(content))
    study = read_study()
    assert study.date == "2026-01-02"
    read = study.curves["lenet_sigmoid", "prune", True]
    assert read.points[1].strength == 0.5
    assert read.points[0].bands["label_error"] == (1e-7, 0.25, 0.5)
    assert np.isnan(read.points[0].bands["psnr"]).all()


LONELY = StoredCurve("lenet_sigmoid", "prune", True, (point(),)).as_json()
DAMAGED = ["", "[]", "{}", *(json.dumps({"command": "x", "date": "y", "curves": part}) for part in ([], [LONELY]))]


READERS = pytest.mark.parametrize(("read", "file"), [(read_study, STUDY_FILE), (read_batches, BATCH_FILE)])


@READERS
@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_one_sentence(elsewhere, text, read, file):
    (elsewhere / file.name).write_text(text)
    with pytest.raises(GradientInversionError, match="expected the curves that the study writes"):
        read()


@READERS
@pytest.mark.usefixtures("elsewhere")
def test_a_missing_file_is_one_sentence(read, file):
    with pytest.raises(GradientInversionError, match=f"{file.name}: expected it among the assets, found none"):
        read()


def test_batches_were_measured_at_several_sizes_and_the_server_was_never_sure_and_wrong():
    study = read_batches()
    assert study.command == "make curves"
    for curve in study.curves.values():
        assert [point.strength for point in curve.points][:2] == [1, 2]
        assert all(point.attacks >= 25 and point.attacks * point.strength >= 50 for point in curve.points)
        assert all(set(point.bands) == set(SWEEP_METRICS) for point in curve.points)
        assert all(point.shares[str(Kind.WRONG)] == 0 for point in curve.points)
    apart, together = (study.curves[name, "untrained"] for name in ("fcn_small", "lenet_sigmoid"))
    assert all(point.right > 0.9 for point in apart.points if point.strength <= 4)
    assert all(point.right == 0 for point in together.points[1:])


def test_a_batch_is_measured_label_by_label_and_survives_its_file(elsewhere):
    curve = measure_batches("fcn_small", "untrained", picture=True, sizes=(1, 2), labels=2)
    assert [(point.strength, point.attacks, point.right) for point in curve.points] == [(1, 2, 1.0), (2, 1, 1.0)]
    assert curve.points[1].bands["psnr"][0] > 80
    content = {"command": "make curves", "date": "2026-01-02", "curves": [curve.as_json()]}
    (elsewhere / BATCH_FILE.name).write_text(json.dumps(content))
    read = read_batches().curves["fcn_small", "untrained"]
    assert isinstance(read, StoredBatches)
    assert read.points[1].right_class == 1.0


@pytest.mark.parametrize(
    ("right", "finding"),
    [
        ([1.0, 0.0, 0.0], "One more picture in the step hides the labels here"),
        ([1.0, 1.0, 1.0], "Up to 8 pictures in one step do not protect here: the server reads every label"),
        (
            [1.0, 1.0, 0.94],
            "Up to 8 pictures in one step do not protect here: the server reads at least 94 % of the labels",
        ),
        ([1.0, 0.9, 0.3], "Larger steps hide some labels here: of 8 pictures, the server reads 30 %"),
    ],
)
def test_the_title_says_whether_more_pictures_protect(right, finding):
    figure = batch_size_curves([1, 2, 8], server(right), metric="error", logarithmic=True).checked()
    assert figure.layout.title.text == finding
    assert figure.data[0].name == "server that takes the pictures apart"


def server(right, **changes):
    bands = np.tile([1e-12, 1e-3, 0.1], (len(right), 1))
    return ServerCurve(
        **({"bands": bands, "right": right, "right_class": right, "misled": np.zeros(len(right))} | changes)
    )


@pytest.mark.parametrize(
    ("right", "finding"),
    [
        ([1.0, 1.0], "“Clip” does not protect: a server that knows of it reads every label"),
        ([1.0, 0.94], "“Clip” does not protect: a server that knows of it reads at least 94 % of the labels"),
        ([1.0, 0.0], "“Clip” hides the label if it is strong enough"),
        ([1.0, 0.5], "“Clip” hides some labels: at worst 0 % are right, and 50 % if the server knows"),
    ],
)
@pytest.mark.parametrize("dark", [False, True])
def test_the_title_states_the_finding(right, finding, dark):
    figure = defence_curves(
        "“Clip”",
        ["1", "0.1"],
        "norm",
        server([0.0, 0.0]),
        server(right),
        metric="error",
        logarithmic=True,
        dark=dark,
    ).checked()
    assert figure.layout.title.text == finding
    knowing, naive = (part for part in figure.data if part.name.startswith("server that"))
    assert naive.x[0] < 0 < knowing.x[0]  # side by side, where both do alike, too
    lowest = figure.data[0].y[0] - figure.data[0].error_y.arrayminus[0]
    assert lowest > 0  # a logarithmic axis has no room for rounding


def test_a_server_without_any_answer_is_drawn_without_a_line():
    silent = server([0.0], bands=[[np.nan] * 3])
    figure = defence_curves("x", [""], "none", silent, silent, metric="error", logarithmic=False).checked()
    assert set(figure.data[0].y) == {None}


def test_a_class_that_stays_visible_is_said_so():
    known = server([1.0, 0.0], right_class=[1.0, 0.98])
    figure = defence_curves("“Quantise”", ["8", "4"], "bits", known, known, metric="error", logarithmic=True).checked()
    assert figure.layout.title.text == "“Quantise” hides the exact shares of the label, but never the class"
