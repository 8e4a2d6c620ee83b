"""The crew's line and its answers: one computation for one question, fair, and bounded in memory."""

import threading
import time
from functools import partial

import pytest

from dashboard.background.crew import Crew, Lane, Order
from dashboard.background.crew.worker import Here
from dashboard.background.jobs import Job, JobState
from tests.dashboard.background.errands import Count, refuse

LIMIT = 30.0


class Slow:
    """A task that waits to be let go, and counts how often it was begun."""

    def __init__(self, answer=7):
        self.answer, self.begun, self.gate = answer, 0, threading.Event()
        self.stopped = False

    def __call__(self, report, stopping):
        self.begun += 1
        report("begun")
        while not self.gate.wait(0.01):
            if stopping():
                self.stopped = True
                break
        return self.answer

    def __reduce__(self):  # only its answer has a weight
        return (bytes, (self.answer if isinstance(self.answer, bytes) else b"",))


@pytest.fixture
def crew():
    """One worker for short tasks and one for both, in this process."""
    crew = Crew([(Here(), (Lane.SHORT,)), (Here(), (Lane.LONG, Lane.SHORT))], memory=1000)
    yield crew
    crew.close()


def until(condition):
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def start(crew, order):
    return Job(lambda job: crew.carry(job, order))


def test_reports_and_result_arrive_in_order(crew):
    job = start(crew, Order("count", Count(4), "count"))
    assert job.wait(LIMIT)
    assert job.reports == (0, 1, 2, 3)
    assert job.result == 4


def test_thirty_who_ask_the_same_make_one_computation(crew):
    task = Slow()
    jobs = [start(crew, Order("same", task, "slow")) for _ in range(30)]
    until(lambda: all(job.reports for job in jobs))
    task.gate.set()
    assert all(job.wait(LIMIT) for job in jobs)
    assert task.begun == 1
    assert {job.result for job in jobs} == {7}
    late = start(crew, Order("same", task, "slow"))
    assert late.wait(LIMIT)
    assert (late.result, late.reports, task.begun) == (7, ("begun",), 1)


def test_different_questions_are_not_mixed_up(crew):
    jobs = [start(crew, Order(number, Count(number), "count")) for number in range(30)]
    assert all(job.wait(LIMIT) for job in jobs)
    assert [job.result for job in jobs] == list(range(30))


def test_who_leaves_alone_ends_the_computation_and_who_leaves_others_does_not(crew):
    task = Slow()
    first, second = (start(crew, Order("shared", task, "slow")) for _ in range(2))
    until(lambda: first.reports and second.reports)
    first.stop()
    assert first.wait(LIMIT)
    assert first.result is None
    assert second.state is JobState.RUNNING
    assert not task.stopped
    second.stop()
    assert second.wait(LIMIT)
    assert task.stopped
    assert second.result == 7  # the best so far
    again = Slow()
    third = start(crew, Order("shared", again, "slow"))  # half an answer is not kept
    again.gate.set()
    assert third.wait(LIMIT)
    assert again.begun == 1


def test_who_waits_knows_the_place_and_one_who_leaves_the_line_is_not_computed(crew):
    running = [Slow(), Slow()]
    busy = [start(crew, Order(("busy", place), task, "slow")) for place, task in enumerate(running)]
    until(lambda: all(job.reports for job in busy))
    never, last = Slow(), Slow()
    leaving = start(crew, Order("never", never, "slow"))
    until(lambda: leaving.place() is not None)
    waiting = start(crew, Order("last", last, "slow"))
    until(lambda: waiting.place() is not None and waiting.place().ahead == 3)
    assert waiting.place().seconds is None  # nothing of the kind has ended yet
    leaving.stop()
    until(lambda: waiting.place().ahead == 2)
    running[0].gate.set()
    last.gate.set()
    assert waiting.wait(LIMIT)
    assert waiting.place() is None
    assert never.begun == 0
    running[1].gate.set()


def test_the_line_says_about_how_long(crew):
    assert start(crew, Order("known", Count(3, 0.05), "counting")).wait(LIMIT)
    tasks = [Slow(), Slow()]
    busy = [start(crew, Order(place, task, "counting")) for place, task in enumerate(tasks)]
    until(lambda: all(job.reports for job in busy))
    waiting = start(crew, Order("waiting", Count(1), "counting"))
    until(lambda: waiting.place() is not None)
    assert 0 < waiting.place().seconds < 10
    for task in tasks:
        task.gate.set()
    assert waiting.wait(LIMIT)


def test_a_short_task_passes_long_ones(crew):
    long = [Slow() for _ in range(3)]
    jobs = [start(crew, Order(("long", place), task, "long", Lane.LONG)) for place, task in enumerate(long)]
    until(lambda: any(job.reports for job in jobs))
    assert start(crew, Order("short", Count(2), "short")).wait(LIMIT)
    assert sum(task.begun for task in long) == 1
    for task in long:
        task.gate.set()
    assert all(job.wait(LIMIT) for job in jobs)


def test_answers_are_kept_by_their_weight(crew):
    tasks = {name: Slow(bytes(400)) for name in "abc"}
    for name, task in tasks.items():
        task.gate.set()
        assert start(crew, Order(name, task, "slow")).wait(LIMIT)
    for name in "ca":
        assert start(crew, Order(name, tasks[name], "slow")).wait(LIMIT)
    assert {name: task.begun for name, task in tasks.items()} == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize("order", [partial(Order, "own photo", keep=False), partial(Order, None)])
def test_what_is_not_to_be_kept_is_computed_again(crew, order):
    task = Slow()
    task.gate.set()
    for _ in range(2):
        assert start(crew, order(task=task, kind="slow")).wait(LIMIT)
    assert task.begun == 2


def test_an_error_reaches_everybody_and_is_not_kept(crew):
    for _ in range(2):
        job = start(crew, Order("refused", refuse, "refusal"))
        assert job.wait(LIMIT)
        assert job.state is JobState.FAILED
        assert job.error == "There is no such thing; try another."
    with pytest.raises(ValueError, match="no such thing"):
        crew.ask(Order("refused", refuse, "refusal"))


def test_whoever_asks_without_a_job_gets_the_same_answer(crew):
    assert crew.ask(Order("count", Count(5), "count")) == 5
    task = Slow()
    assert crew.ask(Order("count", task, "count")) == 5  # kept
    assert task.begun == 0
