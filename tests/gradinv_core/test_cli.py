"""The command line, run in process."""

import json
import sys

import numpy as np
import pytest
import torch

from gradinv_core.cli import main


@pytest.fixture
def gradient_file(known_head, tmp_path):
    known = known_head("mixup", seed=1)
    path = tmp_path / "gradient.npz"
    np.savez(path, weight=known.weight.numpy(), weight_grad=known.weight_grad.numpy())
    return path, known


def test_recover_prints_the_answer(gradient_file, capsys):
    path, known = gradient_file
    assert main(["recover", str(path)]) == 0
    text = capsys.readouterr().out
    assert "status        unique" in text
    assert "label format  mixup" in text
    assert f"class {known.label.argmax()}: {known.label.max():.4f}" in text


def test_recover_as_json_is_strict_json(gradient_file, capsys):
    path, known = gradient_file
    assert main(["recover", str(path), "--json", "--solver", "scan", "--label-format", "unknown"]) == 0
    answer = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert answer["status"] == "unique"
    assert answer["solver"] == "scan"
    assert np.allclose(answer["label"], known.label, atol=1e-5)
    assert np.allclose(answer["feature"], known.feature, rtol=1e-4, atol=1e-5)


def test_infinite_ends_are_null(known_head, tmp_path, capsys):
    known = known_head()
    path = tmp_path / "zero.npz"
    np.savez(path, weight=known.weight.numpy(), weight_grad=np.zeros((10, 128), dtype=np.float32))
    assert main(["recover", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["intervals"] == [[None, None]]


def test_bad_input_is_one_sentence_and_exit_code_two(tmp_path, capsys):
    assert main(["recover", str(tmp_path / "absent.npz")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gradinv: ")
    assert captured.err.count("\n") == 1


def test_dashboard_hands_the_app_to_streamlit(monkeypatch):
    seen, warmed = [], []
    monkeypatch.setattr("streamlit.web.cli.main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr("dashboard.launch.warm_up", lambda: warmed.append(True))
    monkeypatch.setattr(sys, "argv", ["gradinv"])
    before = torch.get_num_threads()
    assert main(["dashboard", "--port", "8599", "--headless"]) == 0
    torch.set_num_threads(before)
    (arguments,) = seen
    assert warmed
    assert arguments[:2] == ["streamlit", "run"]
    assert arguments[2].endswith("app.py")
    assert {"--server.port=8599", "--server.address=127.0.0.1", "--server.headless=true"} <= set(arguments)


def test_a_missing_part_of_the_page_is_named(monkeypatch, capsys):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="streamlit")

    monkeypatch.setattr("gradinv_core.cli.import_module", absent)
    assert main(["dashboard"]) == 2
    assert "the dashboard needs streamlit" in capsys.readouterr().err
