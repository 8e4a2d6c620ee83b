"""What is written for readers runs: examples in docstrings, scripts in assets, the library part of the README."""

import doctest
import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "assets" / "examples").glob("*.py"))
DOCUMENTED = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "gradinv_core").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_docstrings_show_what_really_comes(name):
    done = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert done.attempted
    assert not done.failed


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_run_and_are_short(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60
    said = capsys.readouterr().out
    promised = {
        "label": "Exactly one lambda makes the classes agree",
        "image": "3072 of 3072 inputs determined",
        "defended": "told: unique, off by",
    }
    assert promised[path.stem] in said


def test_the_readme_s_library_part_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    part = text[text.index("## The library") : text.index("## The mathematics")]
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", part, re.DOTALL):
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own text
    assert names["answer"].status in ("unique", "ambiguous")
    assert names["picture"].shape == (3, 32, 32)
