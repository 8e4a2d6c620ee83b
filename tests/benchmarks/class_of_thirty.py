"""A class on one server: every student holds a connection, asks for another scenario every few seconds, and watches.

    python tests/benchmarks/class_of_thirty.py [mixed | stop | link | alone] [--students 30] [--seconds 300] [--pause 8]

``mixed``: everybody on networks and pictures of their own. ``stop``: the same, and one more who stops a slow picture
again and again. ``link``: all open one address within two seconds.
``alone``: one student, network by network. It starts a server of its own, prints what the students waited for (medians
and 95th percentiles, in seconds), what became of every picture, and the memory of the server and its workers in the
course of it. Like a browser it follows the page's own timers, or no picture would ever arrive.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = ["fcn_small", "lenet_sigmoid", "lenet_tanh", "lenet_relu", "fcn_small", "lenet_leaky_relu"]
LABELS = ["smoothing&epsilon=0.2", "mixup&ratio=0.7", "none", "mixup%2Bsmoothing"]
LINK = "dataset=digits&image=7&network=lenet_sigmoid&label=mixup&ratio=0.7"
PATIENCE = 120.0
SLOW = "dataset=digits&network=lenet_relu&seed={}&image={}"  # a picture that takes long enough to be stopped
STOPS = 12
SETTLING = 10.0  # seconds from the teacher to the class: the workers are ready by then
ENDED, BROKEN = 0, 1  # how a run of the whole script ends


@dataclass
class Record:
    """What the students saw."""

    waits: list[float] = field(default_factory=list)
    pictures: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    fates: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)


class Student:
    """One browser tab, as the server sees it."""

    def __init__(self, socket_, record: Record) -> None:
        self._socket, self._record = socket_, record
        self._query = ""
        self._timers: dict[str, asyncio.Task] = {}
        self._standing, self._pictured, self._stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._stop_button = ""
        self._asked = 0.0

    async def ask(self, query: str) -> float:
        """Open an address; seconds until label and curve stand."""
        if self._asked and not self._pictured.is_set():
            self._record.fates["left before it came"] += 1
        self._forget_timers()
        self._query, self._asked = query, time.monotonic()
        for event in (self._standing, self._pictured, self._stopped):
            event.clear()
        self._stop_button = ""
        await self._send()
        await asyncio.wait_for(self._standing.wait(), PATIENCE)
        return time.monotonic() - self._asked

    async def picture(self) -> float:
        """Seconds until there is a picture, or the page has said why there is none."""
        await asyncio.wait_for(self._pictured.wait(), PATIENCE)
        return time.monotonic() - self._asked

    async def stop(self) -> float | None:
        """Press Stop; seconds until the page says that it has stopped. None where there is nothing to stop any more."""
        if not self._stop_button or self._pictured.is_set():
            return None
        pressed = time.monotonic()
        await self._send(button=self._stop_button)
        while not self._stopped.is_set() and not self._pictured.is_set():
            await asyncio.sleep(0.005)
        return time.monotonic() - pressed if self._stopped.is_set() else None

    async def listen(self) -> None:
        """Read what the server says, until it hangs up."""
        async for raw in self._socket:
            message = ForwardMsg()
            message.ParseFromString(raw)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.HasField("new_element"):
                self._see(message.delta.new_element)
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "auto_rerun":
                self._repeat(message.auto_rerun.fragment_id, message.auto_rerun.interval)
            elif kind == "new_session" and not message.metadata.run.fragment_ids:
                self._forget_timers()
            elif kind == "script_finished" and message.script_finished in (ENDED, BROKEN):
                if message.script_finished == BROKEN:
                    self._record.errors["the script broke"] += 1
                self._standing.set()

    def close(self) -> None:
        """Nothing is asked any more."""
        self._forget_timers()

    def _see(self, element) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self._record.errors[element.exception.message[:120]] += 1
        if kind == "button" and "exact stop" in element.button.id:
            self._stop_button = element.button.id
        if kind == "heading" and element.heading.body == "Stopped on the way to the picture":
            self._stopped.set()
        text = element.html.body if kind == "html" else element.alert.body if kind == "alert" else ""
        if ("What the server rebuilt" in text or "exact route" in text) and not self._pictured.is_set():
            self._pictured.set()
            self._record.pictures.append(time.monotonic() - self._asked)
            self._record.fates["came" if kind == "html" else "there is none"] += 1

    def _repeat(self, fragment: str, interval: float) -> None:
        if fragment in self._timers:
            self._timers[fragment].cancel()
        self._timers[fragment] = asyncio.create_task(self._tick(fragment, interval))

    async def _tick(self, fragment: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self._send(fragment)

    def _forget_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def _send(self, fragment: str = "", button: str = "") -> None:
        message = BackMsg()
        message.rerun_script.query_string = self._query
        if fragment:
            message.rerun_script.fragment_id, message.rerun_script.is_auto_rerun = fragment, True
        if button:
            message.rerun_script.widget_states.widgets.add(id=button, trigger_value=True)
        await self._socket.send(message.SerializeToString())


def address(random_: random.Random) -> str:
    """One of some ten thousand scenarios."""
    dataset, network = random_.choice(["digits", "photographs"]), random_.choice(NETWORKS)
    label, image, seed = random_.choice(LABELS), random_.randrange(40), random_.randrange(5)
    return f"dataset={dataset}&image={image}&network={network}&label={label}&seed={seed}"


async def join(port: int, record: Record, work) -> None:
    """One student, from the first look to the last."""
    try:
        async with websockets.connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=2**27,
            open_timeout=60,
            ping_interval=None,
        ) as socket_:
            student = Student(socket_, record)
            ear = asyncio.create_task(student.listen())
            try:
                await first_of(work(student), ear)
            finally:
                student.close()
                ear.cancel()
    except Exception as error:
        record.errors[f"{type(error).__name__}: {error}"[:120]] += 1


async def first_of(work, ear: asyncio.Task) -> None:
    """Do the work, unless the server hangs up before."""
    doing = asyncio.ensure_future(work)
    await asyncio.wait((doing, ear), return_when=asyncio.FIRST_COMPLETED)
    if not doing.done():
        doing.cancel()
        await ear
        raise ConnectionError("the server hung up")
    await doing


async def everybody(port: int, record: Record, students: int, work) -> None:
    """So many students at once, each with a number."""
    await asyncio.gather(
        *(join(port, record, lambda student, number=number: work(number, student)) for number in range(students))
    )


async def mixed(port: int, record: Record, students: int, seconds: float, pause: float) -> None:
    """Everybody changes the scenario every half to one and a half pauses."""
    until = time.monotonic() + seconds

    async def work(number: int, student: Student) -> None:
        random_ = random.Random(number)  # noqa: S311 - no secret
        await asyncio.sleep(random_.uniform(0, pause))
        first = True
        while time.monotonic() < until:
            waited = await student.ask(address(random_))
            if not first:
                record.waits.append(waited)
            first = False
            await asyncio.sleep(random_.uniform(0.5, 1.5) * pause)
        await student.picture()

    await everybody(port, record, students, work)


async def stopping(port: int, record: Record, students: int, seconds: float, pause: float) -> None:
    """The class at work, and one who stops."""

    async def work(student: Student) -> None:
        await asyncio.sleep(pause)
        for turn in range(10 * STOPS):
            await student.ask(SLOW.format(turn // 40, turn % 40))
            await asyncio.sleep(1.0)
            waited = await student.stop()
            if waited is not None:
                record.stops.append(waited)
            if len(record.stops) == STOPS:
                return

    crowd = asyncio.create_task(mixed(port, record, students, seconds, pause))
    await join(port, record, work)
    print(
        f"Stop, {students} beside: {len(record.stops)} times, p50 {percentile(record.stops, 0.5):.2f} s, "
        f"longest {percentile(record.stops, 1.0):.2f} s",
        flush=True,
    )
    await crowd


async def one_link(port: int, record: Record, students: int) -> None:
    """Everybody opens the same address within two seconds, and waits for the picture."""

    async def work(number: int, student: Student) -> None:
        await asyncio.sleep(2.0 * number / students)
        record.waits.append(await student.ask(LINK))
        await student.picture()

    await everybody(port, record, students, work)


async def alone(port: int, times: int) -> None:
    """One student, who takes every network in turn, and looks at each picture until it is there."""
    for network in (*dict.fromkeys(NETWORKS), "resnet18"):
        record = Record()

        async def work(student: Student, record: Record = record, network: str = network) -> None:
            await student.ask(f"network={network}")
            for image in range(1, times + 1):
                await student.picture()
                record.waits.append(await student.ask(f"network={network}&image={image}"))
            await student.picture()

        await join(port, record, work)
        say(f"alone, {network}", record)


def memory_of(process: int) -> float:
    """Megabytes of a process and all that it started, what they share counted once."""
    total = 0
    for member in family(process):
        try:
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def family(process: int) -> list[int]:
    """A process and its descendants."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    others = [member for child in children for member in family(int(child))]
    threads = Path(f"/proc/{process}/task")
    for thread in threads.iterdir() if threads.exists() else ():
        if thread.name != str(process):
            try:
                found = (thread / "children").read_text().split()
            except OSError:
                continue
            others += [member for child in found for member in family(int(child))]
    return [process, *others]


async def watch_memory(process: int, record: Record, began: float) -> None:
    """A value every ten seconds."""
    while True:
        record.memory.append((time.monotonic() - began, memory_of(process)))
        await asyncio.sleep(10)


def percentile(values: list[float], share: float) -> float:
    """Of a sorted copy; NaN without any."""
    return sorted(values)[int(share * (len(values) - 1))] if values else float("nan")


def say(name: str, record: Record) -> None:
    """Print it."""
    waits, pictures = record.waits, record.pictures
    print(
        f"{name}: {len(waits)} changes, label and curve p50 {percentile(waits, 0.5):.2f} s, "
        f"p95 {percentile(waits, 0.95):.2f} s, longest {percentile(waits, 1.0):.2f} s; "
        f"pictures p50 {percentile(pictures, 0.5):.2f} s, p95 {percentile(pictures, 0.95):.2f} s; "
        f"{dict(record.fates)}; {sum(record.errors.values())} errors",
        flush=True,
    )
    for error, count in record.errors.most_common(5):
        print(f"  {count} times: {error}")


def say_memory(record: Record, settling: float) -> None:
    """Print how it grew, from when the class had settled in."""
    settled = [used for seconds, used in record.memory if seconds >= settling]
    if settled:
        most = max(used for _, used in record.memory)
        print(
            f"memory: {record.memory[0][1]:.0f} MB at the start, {settled[0]:.0f} after {settling:.0f} s, "
            f"{settled[-1]:.0f} at the end, {most:.0f} at most"
        )


def start_server() -> tuple[subprocess.Popen, int]:
    """As somebody would from the README."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "import sys; from gradinv_core.cli import main; sys.exit(main())"]
    server = subprocess.Popen(
        [*command, "dashboard", "--port", str(port), "--headless"], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
        except OSError:
            if server.poll() is not None:
                raise SystemExit("the server did not start") from None
            time.sleep(0.1)
        else:
            return server, port


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="mixed", choices=("mixed", "stop", "link", "alone"))
    parser.add_argument("--students", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--pause", type=float, default=8.0)
    options = parser.parse_args()
    began = time.monotonic()
    server, port = start_server()
    record = Record()
    try:
        await join(port, Record(), lambda student: student.ask(""))  # the teacher
        print(f"cold start: {time.monotonic() - began:.2f} s until label and curve stand", flush=True)
        await asyncio.sleep(SETTLING)
        if options.what == "alone":
            await alone(port, 12)
            return 0
        memory = asyncio.create_task(watch_memory(server.pid, record, time.monotonic()))
        if options.what == "mixed":
            await mixed(port, record, options.students, options.seconds, options.pause)
        elif options.what == "stop":
            await stopping(port, record, options.students, options.seconds, options.pause)
        else:
            await one_link(port, record, options.students)
        memory.cancel()
        say(f"{options.students} students, {options.what}", record)
        say_memory(record, min(120.0, options.seconds / 2))
        return bool(record.errors)
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
