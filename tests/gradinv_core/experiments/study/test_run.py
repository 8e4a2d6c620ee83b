"""A study that is stopped or killed at any moment is the same table, row for row, once it is resumed."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from gradinv_core.devices import check_device
from gradinv_core.errors import OptionError
from gradinv_core.experiments.study.attack import play_sample
from gradinv_core.experiments.study.plan import plan
from gradinv_core.experiments.study.provenance import code_version
from gradinv_core.experiments.study.run import missing, run_study
from gradinv_core.experiments.study.store import DATABASE, Store
from gradinv_core.experiments.study.workers import cluster
from gradinv_core.experiments.study.workers.cluster import cluster_workers
from gradinv_core.experiments.study.workers.local import local_workers

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def undisturbed(small, tmp_path_factory):
    """The rows of the small study, played without a break."""
    with small.begin(tmp_path_factory.mktemp("undisturbed")) as store:
        progress = small.play(store)
        assert (progress.done, progress.played, progress.errors) == (32, 32, 0)
        assert progress.rate > 0
        assert progress.seconds_left == 0
        return small.steady(store)


def rows_in(folder):
    try:
        with closing(sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT count(*) FROM samples").fetchone()[0]
    except sqlite3.Error:
        return 0


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is not a signal there")
def test_killed_at_any_moment_and_resumed_it_is_the_undisturbed_table(small, undisturbed, tmp_path):
    (tmp_path / "small.toml").write_text(small.text, encoding="utf-8")
    command = [sys.executable, "-m", "gradinv_core.cli", "experiment", "run", "small.toml", "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None and rows_in(tmp_path / "out") < 3:
        time.sleep(0.005)
    process.kill()  # SIGKILL: nothing is tidied up
    process.wait()
    with Store.open(tmp_path / "out") as store:
        before = small.steady(store)
        assert 3 <= len(before) < 32
        assert before == undisturbed[: len(before)]
        assert small.play(store).played == 32 - len(before)
        assert small.steady(store) == undisturbed


def test_a_row_is_there_once_whoever_writes_it(small, tmp_path):
    with small.begin(tmp_path) as store:
        played = play_sample(plan(store.specification)[0])
        assert [store.add(played), store.add(played)] == [True, False]
        assert len(list(store.rows())) == 1
        assert len(missing(store, plan(store.specification))) == 31


def test_an_error_is_a_row(small, tmp_path):
    with small.begin(tmp_path) as store:
        sample = plan(store.specification)[0]
        broken = replace(sample, scenario=replace(sample.scenario, augmentation="custom", shares="0.5, 0.3"))
        broken = replace(broken, scenario=replace(broken.scenario, own_photo=True))
        progress = run_study(store, [broken], local_workers(1))
        assert progress.errors == 1
        (row,) = store.rows()
        assert row.error.startswith("OptionError: own_image: expected")
        assert row.outcome == {}


def test_a_study_goes_on_in_its_own_folder_only(small, tmp_path):
    small.begin(tmp_path).close()
    small.begin(tmp_path).close()
    with pytest.raises(OptionError, match=r"empty folder or one of the same study, got .*experiment resume"):
        small.begin(tmp_path, small.text.replace("seeds = 4", "seeds = 5"))


def test_what_is_no_study_is_said(tmp_path):
    with pytest.raises(OptionError, match=f"expected a folder with a file {DATABASE}, got"):
        Store.open(tmp_path)
    (tmp_path / DATABASE).write_text("no database, but long enough to be taken for one" * 9)
    with pytest.raises(OptionError, match="got another file"):
        Store.open(tmp_path)


def test_workers_that_are_not_there_are_said():
    with pytest.raises(OptionError, match="jobs: expected at least 1, got 0; this machine has"):
        local_workers(0)
    with pytest.raises(OptionError, match="device: expected one that PyTorch finds here, such as cpu, got 'abacus'"):
        check_device("abacus")
    assert check_device("cpu") == "cpu"


def test_without_the_extra_a_cluster_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(OptionError, match=r"cluster: expected the package distributed, got none; install it with pip"):
        cluster_workers("tcp://127.0.0.1:8786")


class StandIn(ModuleType):
    """What `cluster_workers` needs of Dask distributed, after its documentation: everything is done at once."""

    class Client:
        most = 0

        def __init__(self, address, timeout):
            if address != "tcp://here:1":
                raise OSError(f"Timed out after {timeout} s")

        def nthreads(self):
            return {"tcp://worker:1": 1, "tcp://worker:2": 1}

        def submit(self, function, *arguments, key, pure):
            assert pure
            return SimpleNamespace(key=key, result=lambda: function(*arguments), release=lambda: None)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    class as_completed:  # noqa: N801 - its name
        def __init__(self, futures):
            self.waiting = list(futures)

        def add(self, future):
            self.waiting.append(future)

        def __iter__(self):
            while self.waiting:
                StandIn.Client.most = max(StandIn.Client.most, len(self.waiting))
                yield self.waiting.pop()


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", StandIn("distributed"))


@pytest.mark.usefixtures("stand_in")
def test_the_driver_s_part_with_a_stand_in_for_the_cluster(small, undisturbed, tmp_path, monkeypatch):
    """Not the cluster itself: that each sample is handed out once, a few at a time, and by one version of the code."""
    with small.begin(tmp_path) as store:
        samples = plan(store.specification)[:9]
        run_study(store, samples, cluster_workers("tcp://here:1"))
        assert small.steady(store) == undisturbed[:9]
        assert StandIn.Client.most == 4  # two for each thread
        with pytest.raises(OptionError, match="cluster: expected a scheduler at tcp://there:1, got no answer"):
            cluster_workers("tcp://there:1")
        monkeypatch.setattr(cluster, "code_version", lambda: "another")
        with pytest.raises(OptionError, match="cluster: expected workers with the code of version another, got"):
            list(cluster_workers("tcp://here:1")(samples))


@pytest.fixture
def cluster_of_two():
    """The address of a Dask scheduler on the loopback, and one of its two workers; the other lives in this process."""
    import distributed  # takes a second

    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
    ) as here:
        address = here.scheduler_address
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1"]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        other = subprocess.Popen([*command, "--no-dashboard"], env=environment, stderr=subprocess.DEVNULL)
        try:
            with distributed.Client(address) as client:
                client.wait_for_workers(2, timeout=300)
                client.run(code_version)  # so that both have loaded the project, and share the work
            yield address, other
        finally:
            other.kill()
            other.wait()


def test_a_cluster_s_worker_is_killed_the_driver_stops_and_resumed_it_is_the_undisturbed_table(
    small, undisturbed, tmp_path, cluster_of_two
):
    address, other = cluster_of_two
    with small.begin(tmp_path) as store:
        samples = plan(store.specification)

        def a_few(wanted):
            yield from islice(cluster_workers(address)(wanted), 5)

        def with_a_death(wanted):
            for place, played in enumerate(cluster_workers(address)(wanted)):
                yield played
                if place == 3:
                    other.kill()  # SIGKILL: what it had in its hands is gone

        assert run_study(store, samples, a_few).played == 5
        assert run_study(store, samples, with_a_death).played == 27
        assert other.wait() != 0
        assert small.steady(store) == undisturbed
