"""Start the page from the command line: a quiet Streamlit server on an app that is warm before the first visitor."""

import os
import sys
from pathlib import Path

import torch
from streamlit.web import cli as streamlit_cli

from dashboard.start.reach import is_this_machine, who_can_open
from dashboard.start.warm_up import warm_up
from gradinv_core.errors import GradientInversionError

__all__ = ["launch"]

APP = Path(__file__).resolve().parents[1] / "app.py"


def launch(port: int, host: str, headless: bool, base_path: str = "", visitors: int = 0) -> int:
    """Serve the page until interrupted.

    Streamlit's own command line is the one way to start it that reads the settings beside the app.

    Args:
        port: port to serve on.
        host: address to serve on.
        headless: whether to leave the browser closed.
        base_path: path under which a proxy serves the page; none if empty.
        visitors: how many at a time; by cores and memory if 0.

    Returns:
        The server's exit code.
    """
    torch.set_num_threads(1)  # small networks beside a browser: more threads only fight for the cores
    try:
        warm_up()
    except GradientInversionError as error:
        sys.stderr.write(f"gradinv: the first view could not be prepared ({error}); the page starts all the same.\n")
    if visitors > 0:
        os.environ["GRADINV_VISITORS"] = str(visitors)
    if not is_this_machine(host):
        sys.stderr.write(who_can_open(host, port, base_path))
    browser = not headless and _has_screen()
    sys.argv = [
        *("streamlit", "run", str(APP), f"--server.port={port}", f"--server.address={host}"),
        f"--server.headless={'false' if browser else 'true'}",
        "--server.showEmailPrompt=false",
        f"--server.baseUrlPath={base_path.strip('/')}",
    ]
    try:
        streamlit_cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def _has_screen() -> bool:
    """Whether a browser could open here: always, except on a Linux machine nobody sits in front of."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
