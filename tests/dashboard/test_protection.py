"""The page about protection from the script's side: a sweep starts, stops, comes back from its address."""

from functools import partial

import pytest

from gradinv_core.defences import DEFENCES

PAGE = "app_pages/protection.py"
QUICK = {"sweep": "epsilon", "repeats": "2"}


@pytest.fixture
def protection(lab):
    """Function that opens the page at an address."""
    return partial(lab, PAGE)


def button(page, words):
    return next(part for part in page.main.button if part.label == words)


def job_of(page):
    return list(page.session_state["background jobs"]._slots["sweep"].values())[-1]


def finished(page):
    assert job_of(page).wait(60)
    page.run()
    assert not page.exception
    return page


def address(page):
    return {name: value if isinstance(value, str) else value[0] for name, value in page.query_params.items()}


def figure_title(page):
    return page.main.subheader[0].value


def test_the_page_waits_for_a_click(protection):
    page = protection()
    assert page.title[0].value == "What protects"
    headings = ["1  The sweep", "2  All defences", "3  What this proves, and what not"]
    assert [header.value for header in page.header] == headings
    assert not page.main.dataframe
    assert "run_sweep" not in address(page)
    assert not page.error
    answers = next(element.value for element in page.main.markdown if element.value.startswith("| "))
    assert all(f"| {spec.title} |" in answers for spec in DEFENCES.values())
    assert any("`make curves`" in caption.value for caption in page.caption)


def test_a_sweep_is_started_drawn_and_written_into_the_address(protection):
    page = protection(**QUICK)
    button(page, "Start").click().run()
    assert not page.exception
    assert address(page)["run_sweep"] == "yes"
    finished(page)
    assert figure_title(page).startswith("Label smoothing: most labels are right to one percent ")
    assert len(job_of(page).reports) == 20
    table = page.main.dataframe[0].value
    assert list(table["Label smoothing"]) == ["0", *(f"0.{tenth}" for tenth in range(1, 10))]
    assert set(table["attacks"]) == {"2"}
    assert "picture PSNR" not in table
    assert button(page, "Start again")

    next(part for part in page.main.get("button_group") if part.key == "sweep metric").set_value("feature_cosine").run()
    assert figure_title(page).startswith("Label smoothing: most features point the right way ")


def test_an_address_restores_the_sweep_with_pictures(protection):
    page = finished(protection(sweep="ratio", repeats="1", sweep_picture="yes", run_sweep="yes"))
    assert all(point.psnr > 40 for point in job_of(page).reports)
    assert set(page.main.dataframe[0].value["picture PSNR"]) != {"–"}


def test_a_stopped_sweep_stays_and_can_start_again(protection):
    page = protection(**(QUICK | {"repeats": "100", "run_sweep": "yes"}))
    job = job_of(page)
    button(page, "Stop").click().run()
    assert not page.exception
    assert job.wait(60)
    assert len(job.reports) < 1000
    assert any(part.value.startswith("Stopped after") for part in page.main.caption) or not job.reports
    assert button(page, "Start again")
    assert job_of(page) is job


def test_another_scenario_or_setting_forgets_the_run_but_not_the_result(protection):
    page = finished(protection(**QUICK, run_sweep="yes"))
    next(part for part in page.main.selectbox if part.label == "What varies").set_value("clip").run()
    assert address(page)["sweep"] == "clip"
    assert "run_sweep" not in address(page)
    assert not page.main.dataframe
    next(part for part in page.main.selectbox if part.label == "What varies").set_value("epsilon").run()
    assert page.main.dataframe
    page.session_state["scenario_seed"] = 5
    page.run()
    assert not page.exception
    assert not page.main.dataframe


def test_no_room_for_another_defence_is_a_sentence(protection):
    six = "clip:1~laplace:0.001~prune:0.5~quantise:8~sign~drop rows:0.2"
    page = protection(network="lenet_sigmoid", defences=six, run_sweep="yes")
    assert page.main.info[0].value == "There is room for 6 defences at a time: leave one out."
    assert not page.error


def test_the_stored_curves_are_drawn_as_stored_for_every_defence(protection):
    page = protection()
    menu = next(box for box in page.main.selectbox if box.key == "stored defence")
    for title in menu.options:
        menu.select(title).run()
        assert not page.exception
        assert not page.error
        words = " ".join(part.value for part in page.main.caption)
        assert "A stored measurement of" in words
        assert ("at least 25 training steps" if title == "Larger batches" else "50 attacks for every point") in words
        menu = next(box for box in page.main.selectbox if box.key == "stored defence")


def test_the_page_says_what_the_attack_needs_and_what_nobody_can_know(protection):
    page = protection()
    words = " ".join(part.value for part in (*page.main.markdown, *page.main.info))
    for part in ("Few samples in the gradient", "secure aggregation", "(1 − k) p + k y"):
        assert part in words
