"""Step 6, gradient matching: started, watched, stopped, gone on with, compared, and restored from an address."""

import threading
import time

import pytest
import torch

from dashboard import cache
from dashboard.background import tasks
from dashboard.background.crew import the_crew
from dashboard.background.jobs import JobState
from gradinv_core.errors import NoExactRouteError, RankError

LENET = {"network": "lenet_tanh"}


def test_a_search_is_started_watched_and_finished(lab, numbers, exact, search, finish, button):
    exact(error=NoExactRouteError("no exact route."))
    fake = search(seconds=0.5)
    page = lab(**LENET, iterations="50")
    button(page, "Start").click().run()
    assert button(page, "Stop") is not None
    assert button(page, "Start") is None
    assert page.selectbox(key="search_label").disabled
    assert page.query_params["run"] == "one"
    finish(page)
    assert button(page, "Stop") is None
    assert button(page, "Go on") is not None
    assert numbers(page)["Lowest loss"] == "0.020"
    assert len(fake.calls) == 1
    assert fake.calls[0]["label"] is None
    assert fake.calls[0]["options"]["label_mode"] == "recovered"


def test_stop_keeps_the_best_so_far_and_go_on_goes_on_from_it(lab, numbers, exact, search, finish, job_of, button):
    exact(error=NoExactRouteError("no exact route."))
    fake = search(seconds=20)
    page = lab(**LENET, iterations="1000", run="one")
    job = job_of(page, "search")
    while len(job.reports) < 5:
        time.sleep(0.01)
    began = time.monotonic()
    button(page, "Stop").click().run()
    assert job.state is JobState.STOPPED
    assert time.monotonic() - began < 5  # the browser test measures what a visitor sees
    assert button(page, "Go on") is not None
    reached = job.result.steps[-1]
    assert numbers(page)["PSNR"]

    fake.seconds = 0.1
    button(page, "Go on").click().run()
    assert button(page, "Stop") is not None or job_of(page, "search").state is JobState.DONE
    finish(page)
    first, second = fake.calls
    assert torch.equal(second["start"], reached.value)
    assert second["options"]["iterations"] == 1000 - reached.iteration
    assert numbers(page)["Time"] == "1.0 s"  # of both parts, half a second each
    steps = job_of(page, "search").result.steps
    assert [step.iteration for step in steps] == sorted(step.iteration for step in steps)
    assert steps[-1].iteration == 1000
    assert first["start"] is None


def test_a_search_survives_changes_elsewhere_on_the_page(lab, exact, search, job_of):
    exact(std=1e-6)
    search(seconds=20)
    page = lab(**LENET, iterations="1000", run="one")
    job = job_of(page, "search")
    page.session_state["image source"] = "upload"
    page.run()
    page.session_state["image source"] = "dataset"
    page.run()
    assert job_of(page, "search") is job
    assert job.state is JobState.RUNNING
    assert page.query_params["run"] == "one"
    job.stop()


def test_another_scenario_does_not_inherit_the_run(lab, exact, search, job_of, button):
    exact(std=1e-6)
    fake = search(seconds=20)
    page = lab(**LENET, iterations="1000", run="one")
    job = job_of(page, "search")
    page.number_input(key="scenario_image").set_value(1).run()
    assert "run" not in page.query_params
    assert len(fake.calls) == 1
    button(page, "Start").click().run()
    assert job.state is JobState.STOPPED
    second = next(reversed(page.session_state["background jobs"]._slots["search"].values()))
    while len(fake.calls) < 2:
        assert second.state is JobState.RUNNING
        time.sleep(0.01)
    page.session_state["background jobs"].stop_all()


def test_the_settings_reach_the_search_and_the_address(lab, exact, search, finish, button):
    exact(error=NoExactRouteError("no exact route."))
    fake = search()
    page = lab(**LENET)
    page.selectbox(key="search_label").set_value("true").run()
    page.selectbox(key="search_optimizer").set_value("adam").run()
    page.select_slider(key="search_iterations").set_value(100).run()
    page.select_slider(key="search_total_variation").set_value(0.1).run()
    button(page, "Start").click().run()
    finish(page)
    call = fake.calls[0]
    options = call["options"]
    assert (options["label_mode"], options["optimizer"], options["iterations"]) == ("given", "adam", 100)
    assert options["total_variation"] == 0.1
    assert call["label"].sum() == pytest.approx(1)
    written = dict(page.query_params)
    expected = {"matchlabel": "true", "optimizer": "adam", "iterations": "100", "smoothness": "0.1", "run": "one"}
    assert written == expected | {"network": "lenet_tanh", "v": "1"}

    the_crew().forget()  # or the second search would be the first
    again = finish(lab(**written))
    assert again.selectbox(key="search_label").value == "true"
    first, second = (part["seed"] for part in fake.calls)
    assert first == second


def test_a_search_may_start_from_the_rebuilt_picture_as_soon_as_there_is_one(lab, exact, search, finish):
    gate = threading.Event()
    exact(std=0.05, gate=gate)
    fake = search()
    page = lab(**LENET, start="exact", run="one")
    assert not fake.calls
    gate.set()
    finish(page, "exact")
    finish(page)
    image = cache.dataset("photographs", 32)[0][0]
    assert (fake.calls[0]["start"] - image).abs().max() == pytest.approx(0.05, rel=1e-3)
    assert fake.calls[0]["options"]["learning_rate"] < 0.01


def test_four_labels_are_compared_from_the_same_noise(lab, exact, search, findings, finish):
    exact(error=NoExactRouteError("no exact route."))
    fake = search()
    page = lab(**LENET, iterations="20", run="comparison")
    finish(page)
    assert [call["options"]["label_mode"] for call in fake.calls] == ["recovered", "given", "hard", "learned"]
    assert [call["label"] is None for call in fake.calls] == [True, False, True, True]
    assert len({call["seed"] for call in fake.calls}) == 1
    assert findings(page)[-1] == "The recovered label is as good as the true one; a single class does no worse here"
    row = page.main.get("html")[-1].proto.body
    assert row.count("<img") == 5
    assert "one class (iDLG): " in row


def test_a_comparison_that_is_stopped_shows_what_there_is(lab, exact, search, findings, job_of, button):
    exact(error=NoExactRouteError("no exact route."))
    search(seconds=20)
    page = lab(**LENET, iterations="1000", run="comparison")
    job = job_of(page, "search")
    while len(job.reports) < 3:
        time.sleep(0.01)
    button(page, "Stop").click().run()
    row = page.main.get("html")[-1].proto.body
    assert row.count("<img") == 2
    assert findings(page)[-1] == "Four labels, one search"


def test_a_search_that_fails_is_one_sentence(lab, exact, monkeypatch, finish, button):
    exact(std=1e-6)

    def broken(*_arguments, **_options):
        raise RankError("label: expected one that sums to 1.")

    monkeypatch.setattr(tasks, "search_image", broken)
    page = finish(lab(**LENET, run="one"))
    assert "This is not the untouched gradient of one picture, so the attack has nothing to hold on to." in [
        warning.value for warning in page.warning
    ]
    assert button(page, "Start") is not None


def test_nonsense_settings_are_said_in_sentences_and_nothing_runs(lab, exact, search):
    exact(std=1e-6)
    fake = search()
    page = lab(**LENET, run="<script>", iterations="-5", smoothness="x", matchlabel="y")
    assert len(page.warning) == 4
    assert not fake.calls
    assert dict(page.query_params) == {"network": "lenet_tanh", "v": "1"}
