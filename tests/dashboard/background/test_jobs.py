"""Background jobs: reports in order, stopped at once, errors as sentences, one running job per slot."""

import threading
import time

import pytest

from dashboard.background.jobs import Job, Jobs, JobState
from gradinv_core.errors import OptionError

SOON = 5.0


def until_stopped(job: Job) -> str:
    """Work that goes on until somebody stops it."""
    count = 0
    while not job.stopping():
        job.report(count)
        count += 1
        time.sleep(0.002)
    return f"best of {count}"


def test_reports_keep_their_order_and_the_result_is_kept():
    def work(job: Job) -> int:
        for number in range(500):
            job.report(number)
        return 7

    job: Job[int, int] = Job(work, about="counting")
    assert job.wait(SOON)
    assert job.reports == tuple(range(500))
    assert (job.state, job.result, job.error, job.about) == (JobState.DONE, 7, "", "counting")


def test_a_stop_answers_within_half_a_second_and_keeps_the_best_so_far():
    job: Job[int, str] = Job(until_stopped)
    while not job.reports:
        time.sleep(0.001)
    assert job.state is JobState.RUNNING
    began = time.monotonic()
    job.stop()
    assert job.state is JobState.STOPPED
    assert job.wait(SOON)
    assert time.monotonic() - began < 0.5
    assert job.result is not None
    assert job.result.startswith("best of")


def test_a_stop_is_seen_at_once_even_if_the_work_is_in_the_middle_of_something():
    go_on = threading.Event()

    def work(job: Job) -> int:
        job.report(1)
        go_on.wait(SOON)
        job.report(2)
        return 3

    job: Job[int, int] = Job(work)
    while not job.reports:
        time.sleep(0.001)
    job.stop()
    assert job.state is JobState.STOPPED
    assert job.result is None
    go_on.set()
    assert job.wait(SOON)
    # What was on the page when it was stopped stays there; the result may still come.
    assert job.reports == (1,)
    assert job.result == 3
    assert job.state is JobState.STOPPED


def test_work_without_a_half_way_result_leaves_by_itself():
    def work(job: Job) -> int:
        while True:
            job.check()
            time.sleep(0.001)

    job: Job[int, int] = Job(work)
    job.stop()
    assert job.wait(SOON)
    assert (job.state, job.result, job.error) == (JobState.STOPPED, None, "")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OptionError("label: expected one, got none."), "Label: expected one, got none."),
        (
            RuntimeError("out of\nmemory"),
            "The run ended with an unexpected RuntimeError (out of memory); try other settings.",
        ),
        (KeyError(), "The run ended with an unexpected KeyError (no reason given); try other settings."),
    ],
)
def test_an_error_becomes_a_sentence(error, sentence):
    def work(job: Job) -> int:
        job.report(1)
        raise error

    job: Job[int, int] = Job(work)
    assert job.wait(SOON)
    assert (job.state, job.error, job.failure) == (JobState.FAILED, sentence, error)
    assert job.reports == (1,)


def test_stopping_what_is_over_changes_nothing():
    job: Job[int, int] = Job(lambda _: 1)
    assert job.wait(SOON)
    job.stop()
    assert (job.state, job.result) == (JobState.DONE, 1)


def test_a_new_start_stops_what_is_about_something_else():
    jobs = Jobs()
    first = jobs.start("search", "a", until_stopped)
    other = jobs.start("exact", "a", until_stopped)
    assert (first.state, other.state) == (JobState.RUNNING, JobState.RUNNING)  # both about the same
    second = jobs.start("search", "b", until_stopped)
    assert (first.state, other.state, second.state) == (JobState.STOPPED, JobState.STOPPED, JobState.RUNNING)
    assert first.wait(SOON)
    assert jobs.get("search", "a") is first
    assert jobs.get("search", "b") is second
    assert jobs.get("exact", "b") is None
    jobs.forget("search", "b")
    assert jobs.get("search", "b") is None
    assert second.wait(SOON)
    assert other.wait(SOON)
    third = jobs.start("search", "c", until_stopped)
    jobs.turn_to("c")
    assert third.state is JobState.RUNNING
    jobs.turn_to("d")
    assert third.state is JobState.STOPPED
    assert third.wait(SOON)


def test_a_few_finished_jobs_are_kept_and_old_ones_forgotten():
    jobs = Jobs()
    for number in range(10):
        jobs.start("search", number, lambda _: 1).wait(SOON)
    assert [number for number in range(10) if jobs.get("search", number) is not None] == [6, 7, 8, 9]


def test_a_closed_tab_ends_its_jobs_after_a_moment_and_a_short_break_does_not():
    jobs = Jobs()
    job = jobs.start("search", "a", until_stopped)
    jobs.leave(0.2)
    jobs.stay()
    time.sleep(0.4)
    assert job.state is JobState.RUNNING
    jobs.leave(0.05)
    assert job.wait(SOON)
    assert job.state is JobState.STOPPED
