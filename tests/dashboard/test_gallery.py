"""Every card of the gallery reproduces its failure by live computation, and the computation names the cause."""

import threading
from functools import cache

import numpy as np
import plotly.graph_objects as go
import pytest

from dashboard.background.jobs import Job, JobState
from dashboard.sections.gallery import card_grid
from dashboard.sections.gallery.card_play import gallery_work, play_card
from dashboard.sections.shared.cards import CARDS
from gradinv_core.checkpoints import available_stages
from gradinv_core.experiments.scenario import from_query, to_query

PAGE = "app_pages/gallery.py"
CAUSES = {
    "local minimum": "Stopped at a wrong λ",
    "out of bound": "Left its bounds",
    "one-hot probability": "One-hot probability",
    "vanished gradient": "The gradient vanished",
    "structureless label": "No label format fits",
    "too few classes": "Too few classes",
    "rank-deficient layer": "A rank-deficient layer",
    "saturated activations": "Saturated activations",
    "batch": "A batch instead of one sample",
    "training-mode batch norm": "Batch norm in training mode",
    "clipped": "The gradient was rescaled",
    "noisy": "The gradient is noisy",
    "pruned": "The gradient was pruned",
    "quantised": "The gradient was quantised",
}
WITH_PICTURES = ("rank-deficient layer", "saturated activations")
QUICK = tuple(card for card in CARDS if card.name in ("pruned", "vanished gradient", "too few classes"))


@cache
def played(name):
    """A card, played once for all tests of this file."""
    return play_card(next(card for card in CARDS if card.name == name))


def test_every_failure_has_a_card_and_no_two_are_alike():
    assert [card.name for card in CARDS] == list(CAUSES)
    assert len({card.scenario for card in CARDS}) == len(CARDS)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_reproduces_its_failure(card):
    found = played(card.name)
    assert found.cause == CAUSES[card.name]
    assert found.message.endswith(".")
    assert bool(found.had) == bool(found.got) == (card.name in WITH_PICTURES)
    for dark in (False, True):
        figure = found.picture(dark=dark).checked()
        assert isinstance(figure, go.Figure)
        assert figure.data


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_every_card_has_an_address(card):
    assert from_query(to_query(card.scenario), available_stages) == (card.scenario, [])


def test_a_search_that_failed_is_drawn_away_from_the_answer():
    figure = played("local minimum").picture(dark=False).checked()
    lines = {shape.line.dash: shape.x0 for shape in figure.layout.shapes if shape.type == "line"}
    assert set(lines) == {None, "dot"}
    assert abs(lines["dot"] - lines[None]) > 1  # decades


def test_the_clipped_label_is_read_all_the_same():
    found = played("clipped")
    believed, outline = found.picture(dark=False).checked().data
    assert max(abs(a - b) for a, b in zip(believed.y, outline.y, strict=True)) < 1e-3
    assert "multiplied by" in found.message


def test_a_batch_comes_apart_behind_relus_until_there_are_as_many_pictures_as_classes():
    relus, sigmoids, pictures = played("batch").picture(dark=False).checked().data
    assert list(pictures.y) == [1, 2, 4, 6, 7, 8]
    assert list(relus.y) == [1, 2, 4, 6, 7, 0]
    assert list(sigmoids.y) == [1, 0, 0, 0, 0, 0]


def test_holes_are_drawn_where_zeros_are():
    values = np.array(played("pruned").picture(dark=False).checked().data[0].z)
    assert 0.1 < (values == -1).mean() < 0.9


def test_cards_are_reported_one_by_one_and_the_work_can_be_stopped():
    reached, go_on = threading.Event(), threading.Event()

    class Slow(Job):
        def report(self, news):
            super().report(news)
            reached.set()
            go_on.wait(20)

    job = Slow(gallery_work(QUICK))
    assert reached.wait(20)
    job.stop()
    go_on.set()
    assert job.wait(20)
    assert job.state is JobState.STOPPED
    assert [name for name, _ in job.reports] == [QUICK[0].name]


@pytest.fixture
def open_gallery(lab, monkeypatch):
    """Function that opens the gallery with a few quick cards, all played."""
    monkeypatch.setattr(card_grid, "CARDS", QUICK)

    def open_page(**query):
        return lab(PAGE, **query)

    return open_page


def wait(page):
    (job,) = page.session_state["background jobs"]._slots["gallery"].values()
    assert job.wait(30)
    page.run()
    assert not page.exception
    return page


def test_the_page_names_every_cause(open_gallery):
    page = wait(open_gallery())
    named = [part.value for part in page.main.markdown if part.value.startswith("Named: ")]
    for text, card in zip(named, QUICK, strict=True):
        lead = f"Named: **{CAUSES[card.name]}.** "
        assert text.startswith(lead)
        assert len(text) > len(lead) + 20  # more than a name that repeats the card's title
    assert not page.error
    assert not page.warning


def test_a_stopped_gallery_goes_on_when_asked(open_gallery):
    page = open_gallery()
    (job,) = page.session_state["background jobs"]._slots["gallery"].values()
    job._stop.set()  # as the button does while it runs
    page.run()
    before = dict(job.reports)
    again = next(button for button in page.main.button if button.label == "Play on")
    again.click().run()
    page = wait(page)
    assert sum(part.value.startswith("Named: ") for part in page.main.markdown) == len(QUICK)
    (again,) = page.session_state["background jobs"]._slots["gallery"].values()
    assert again is not job
    assert all(dict(again.reports)[name] is card for name, card in before.items())  # not played a second time


def test_the_scenario_of_the_lab_rests_in_the_gallery(open_gallery):
    page = open_gallery(dataset="digits", network="lenet_sigmoid", image="4")
    assert page.query_params["image"] in ("4", ["4"])
    page.switch_page("app_pages/lab.py").run()
    assert not page.exception
    assert page.session_state["scenario_image"] == 4
    assert page.session_state["scenario_network"] == "lenet_sigmoid"


def test_the_range_that_fits_a_noisy_gradient_can_be_seen():
    figure = played("noisy").picture(dark=False).checked()
    (hatched,) = [trace for trace in figure.data if trace.fillpattern.shape]
    left, right = figure.layout.xaxis.range
    assert (max(hatched.x) - min(hatched.x)) / (right - left) > 0.03
