"""The launcher's warm-up plays the first view without the page, quickly enough not to be felt."""

import subprocess
import sys
from pathlib import Path


def test_warming_up_does_not_touch_the_page_and_is_quick():
    code = (
        "import sys, time, torch, plotly.graph_objects;"
        "from dashboard.start.warm_up import warm_up; started = time.perf_counter(); warm_up();"
        "assert 'streamlit' not in sys.modules; print(time.perf_counter() - started)"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 10  # half a second on an idle core; a loaded one must not fail this
