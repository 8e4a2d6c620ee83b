"""Workers in processes of their own: what they hand back, how they die, and that nobody else notices."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dashboard.background.crew import Crew, Lane, Order
from dashboard.background.crew.worker import Process
from dashboard.background.jobs import Job, JobState
from tests.dashboard.background.errands import Count, Die, hoard, nothing, own_pid, refuse

LIMIT = 60.0


@pytest.fixture(scope="module")
def crew():
    """Two processes that load no attacks, for tasks that are none; the tests share them."""
    crew = Crew([(Process(load=nothing), (Lane.SHORT,)), (Process(load=nothing), (Lane.LONG,))])
    yield crew
    crew.close()


def start(crew, order):
    return Job(lambda job: crew.carry(job, order))


def test_reports_and_result_come_from_another_process(crew):
    job = start(crew, Order(None, Count(4), "count"))
    assert job.wait(LIMIT)
    assert (job.reports, job.result) == ((0, 1, 2, 3), 4)
    assert crew.ask(Order(None, own_pid, "pid")) != os.getpid()


def test_stop_reaches_it_and_the_best_so_far_comes_back(crew):
    job = start(crew, Order(None, Count(10_000, 0.01), "count"))
    while not job.reports:
        time.sleep(0.01)
    job.stop()
    assert job.wait(LIMIT)
    assert 0 < job.result < 10_000
    assert crew.ask(Order(None, Count(3), "count")) == 3  # the stop was for that task alone


def test_an_error_of_the_core_arrives_as_it_is(crew):
    job = start(crew, Order(None, refuse, "refusal"))
    assert job.wait(LIMIT)
    assert job.error == "There is no such thing; try another."


def test_a_task_that_wants_too_much_memory_fails_and_the_process_lives_on(crew):
    before = crew.ask(Order(None, own_pid, "pid"))
    job = start(crew, Order(None, hoard, "hoard"))
    assert job.wait(LIMIT)
    assert "MemoryError" in job.error
    assert crew.ask(Order(None, own_pid, "pid")) == before


def test_a_killed_worker_gets_a_second_try_and_nobody_else_notices(crew, tmp_path):
    beside = start(crew, Order(None, Count(10_000, 0.01), "count", Lane.LONG))
    while not beside.reports:
        time.sleep(0.01)
    job = start(crew, Order(None, Die(1, str(tmp_path / "tried")), "death"))
    assert job.wait(LIMIT)
    assert job.result == 3
    assert job.reports == (0, 0, 1, 2)  # the first report of the first try does not come twice
    assert beside.state is JobState.RUNNING
    beside.stop()
    assert beside.wait(LIMIT)


def test_one_that_is_killed_twice_says_so(crew, tmp_path):
    job = start(crew, Order(None, Die(5, str(tmp_path / "tried")), "death"))
    assert job.wait(LIMIT)
    assert job.state is JobState.FAILED
    assert "short of memory" in job.error
    assert (tmp_path / "tried").read_text() == "xx"


SERVER = """
import signal, time
from dashboard.background.crew import Order, the_crew
from dashboard.background.jobs import Job
from tests.dashboard.background.errands import Count
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and theirs, ignore Ctrl-C
    job = Job(lambda job: the_crew().carry(job, Order(None, Count(10**6, 0.01), "count")))
    while not job.reports:
        time.sleep(0.01)
    print(*(worker.pid for worker, _ in the_crew()._workers if worker.pid), flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_all_workers_are_gone_when_the_server_is(tmp_path, end):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    environment = os.environ | {"GRADINV_WORKERS": "2", "PYTHONPATH": str(Path(__file__).parents[3])}
    command, pipe, nowhere = [sys.executable, str(script)], subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=nowhere, text=True) as server:
        workers = [int(pid) for pid in server.stdout.readline().split()]
        assert workers
        os.kill(server.pid, end)
        server.wait(60)
    deadline = time.monotonic() + LIMIT
    while any(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
