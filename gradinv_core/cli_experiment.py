"""The command line's experiments: begin a study, go on with one, report on one, list what ships."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gradinv_core.cli_progress import STOPPED, ProgressLine, duration, say

if TYPE_CHECKING:
    from gradinv_core.experiments.study.run import Progress
    from gradinv_core.experiments.study.store import Store

__all__ = ["add_experiment"]


def add_experiment(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``experiment`` with its own commands; they load what they need when they run."""
    experiment = commands.add_parser("experiment", help="play many attacks, and make tables of them")
    inner = experiment.add_subparsers(required=True, metavar="command")

    run = inner.add_parser("run", help="begin a study: a preset's name, or a TOML file")
    run.add_argument("specification", help="one of `gradinv experiment list`, or a TOML file")
    run.add_argument("--quick", action="store_true", help="its quick form, a few samples of a few networks")
    run.add_argument("--out", type=Path, help="folder for the rows and the report (default: studies/NAME)")
    _add_workers(run)
    run.set_defaults(run=_run)

    resume = inner.add_parser("resume", help="go on with a study that was stopped or killed")
    resume.add_argument("folder", type=Path)
    _add_workers(resume)
    resume.set_defaults(run=_resume)

    report = inner.add_parser("report", help="write a study's tables as Markdown and HTML, its rows as CSV and Parquet")
    report.add_argument("folder", type=Path, help="of a study, or a Parquet file that was exported from one")
    report.set_defaults(run=_report)

    listed = inner.add_parser("list", help="the studies that ship with the project")
    listed.set_defaults(run=_list)


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument("--jobs", type=int, default=1, help="processes on this machine (default 1)")
    command.add_argument("--device", default="cpu", help="where networks compute (default cpu)")
    command.add_argument("--cluster", metavar="ADDRESS", help="of a Dask scheduler, such as tcp://127.0.0.1:8786")


def _run(options: argparse.Namespace) -> int:
    from gradinv_core.experiments.study.reading import parse_specification, specification_text
    from gradinv_core.experiments.study.store import Store

    text, name = specification_text(options.specification), Path(options.specification).stem
    parse_specification(text, name, quick=options.quick)  # complain before a folder is made
    folder = options.out or Path("studies") / (f"{name}-quick" if options.quick else name)
    with Store.create(folder, text, name, quick=options.quick) as store:
        return _play(store, options)


def _resume(options: argparse.Namespace) -> int:
    from gradinv_core.experiments.study.store import Store

    with Store.open(options.folder) as store:
        return _play(store, options)


def _play(store: Store, options: argparse.Namespace) -> int:
    """Play what is missing, saying how far it is; then the report."""
    from gradinv_core.devices import check_device
    from gradinv_core.experiments.study.plan import in_words, plan
    from gradinv_core.experiments.study.run import missing, run_study
    from gradinv_core.experiments.study.workers.cluster import cluster_workers
    from gradinv_core.experiments.study.workers.local import local_workers

    specification = store.specification
    samples = plan(specification)
    say(in_words(specification, samples, options.jobs))
    wanted = missing(store, samples)
    earlier = len(store.keys) - (len(samples) - len(wanted))
    if len(wanted) < len(samples):
        say(f"{len(samples) - len(wanted):,} of them are there already.")
    if earlier:
        say(f"{earlier:,} rows of another version of the code stay in the store; the report leaves them out.")
    if options.cluster is None:
        workers = local_workers(options.jobs, check_device(options.device))
    else:
        workers = cluster_workers(options.cluster, options.device)
    meter = _Meter()
    try:
        progress = run_study(store, samples, workers, meter.count)
    except KeyboardInterrupt:
        meter.end()
        say(f"Stopped. Go on with: gradinv experiment resume {store.folder}")
        return STOPPED
    meter.end()
    say(f"{progress.played:,} samples played, {progress.rate:.1f} a second; {progress.errors:,} could not be played.")
    return _report(argparse.Namespace(folder=store.folder))


class _Meter(ProgressLine):
    """How far a study is."""

    def count(self, progress: Progress) -> None:
        if self.is_due:
            errors = f", {progress.errors:,} errors" if progress.errors else ""
            left = f"{duration(progress.seconds_left)} left{errors}"
            self.show(f"{progress.done:,} of {progress.total:,} samples, {progress.rate:.1f} a second, {left}")


def _report(options: argparse.Namespace) -> int:
    from gradinv_core.experiments.study.report import write_report

    for path in write_report(options.folder):
        say(f"wrote {path}")
    return 0


def _list(_: argparse.Namespace) -> int:
    from gradinv_core.experiments.study.reading import PRESETS, read_specification

    for name in PRESETS:
        full, quick = read_specification(name), read_specification(name, quick=True)
        say(f"{name:22} {full.title}: {full.total:,} samples, {quick.total:,} with --quick")
    return 0
