"""The command line, run in process."""

import json
import os
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


def sent(known, **changes):
    parts = {"weight": known.weight, "weight_grad": known.weight_grad, "bias": known.bias, "bias_grad": known.bias_grad}
    return {name: part.numpy() for name, part in parts.items() if part is not None} | changes


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.parametrize("head_bias", [True, False])
def test_the_advice_names_an_option_that_works(known_head, tmp_path, capsys, head_bias):
    known = known_head("mixup", seed=1, head_bias=head_bias, factor=0.25)
    np.savez(tmp_path / "quarter.npz", **sent(known))
    code, text = run(capsys, "recover", tmp_path / "quarter.npz")
    assert code == 0
    assert "it is 1/4 of an honest one" in text
    assert "Pass --gradient-scale unknown to accept that." in text
    code, text = run(capsys, "recover", tmp_path / "quarter.npz", "--gradient-scale", "unknown")
    assert code == 0
    assert "status        unique" in text


def test_an_announced_loss(known_head, tmp_path, capsys):
    known = known_head("smoothing", seed=2, head_bias=True)
    halved = sent(known, weight=2 * known.weight.numpy(), bias=2 * known.bias.numpy())  # at temperature 2: as it was
    halved |= {"weight_grad": 2 * known.weight_grad.numpy(), "bias_grad": 2 * known.bias_grad.numpy()}
    np.savez(tmp_path / "warm.npz", **halved, even=np.ones(10))
    code, text = run(capsys, "recover", tmp_path / "warm.npz")
    assert "Pass --temperature 2 to accept that." in text
    for more in ((), ("--class-weights", "even"), ("--confidence", "0.99"), ("--noise-std", "0")):
        code, text = run(capsys, "recover", tmp_path / "warm.npz", "--temperature", "2", *more)
        assert (code, "status        unique" in text) == (0, True)
    assert run(capsys, "recover", tmp_path / "warm.npz", "--class-weights", "odd")[0] == 2


def test_entries_are_called_by_their_names(known_head, tmp_path, capsys):
    known = known_head("mixup", seed=1)
    path = tmp_path / "names.npz"
    np.savez(path, **{"fc.weight": known.weight.numpy(), "fc.weight.grad": known.weight_grad.numpy()[None]})
    code, text = run(capsys, "recover", path)
    assert code == 2
    assert "the file holds fc.weight (10, 128), fc.weight.grad (1, 10, 128)" in text
    code, text = run(capsys, "recover", path, "--weight", "fc.weight", "--weight-grad", "fc.weight.grad")
    assert (code, "status        unique" in text) == (0, True)
    named = ("--weight", "fc.weight", "--weight-grad", "fc.weight.grad", "--bias", "fc.bias")
    code, text = run(capsys, "recover", path, *named)
    assert (code, "fc.bias is missing" in text) == (2, True)


def test_diagnose_names_the_cause(known_head, tmp_path, capsys):
    known = known_head("mixup", seed=1, head_bias=True)
    np.savez(tmp_path / "fine.npz", **sent(known))
    np.savez(tmp_path / "quarter.npz", **sent(known_head("mixup", seed=1, head_bias=True, factor=0.25)))
    code, text = run(capsys, "diagnose", tmp_path / "fine.npz")
    assert (code, text.startswith("Nothing went wrong\n")) == (0, True)
    code, text = run(capsys, "diagnose", tmp_path / "quarter.npz")
    assert (code, text.startswith("The gradient was rescaled\n")) == (0, True)
    code, text = run(capsys, "diagnose", tmp_path / "quarter.npz", "--json")
    found = json.loads(text)
    assert found["cause"] == "clipped"
    assert found["measures"]["factor"] == pytest.approx(0.25, rel=1e-4)
    np.savez(tmp_path / "flat.npz", weight=np.ones(3), weight_grad=np.ones(3))
    code, text = run(capsys, "diagnose", tmp_path / "flat.npz")
    assert (code, "expected a weight with 2 axes (classes, features), got shape (3,)" in text) == (2, True)


def test_dashboard_hands_the_app_to_streamlit(monkeypatch):
    seen, warmed = [], []
    monkeypatch.setattr("streamlit.web.cli.main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr("dashboard.start.launch.warm_up", lambda: warmed.append(True))
    monkeypatch.setattr(sys, "argv", ["gradinv"])
    before = torch.get_num_threads()
    assert main(["dashboard", "--port", "8599", "--headless"]) == 0
    torch.set_num_threads(before)
    (arguments,) = seen
    assert warmed
    assert arguments[:2] == ["streamlit", "run"]
    assert arguments[2].endswith("app.py")
    assert {"--server.port=8599", "--server.address=127.0.0.1", "--server.headless=true"} <= set(arguments)


def test_serving_to_others_is_said_and_a_path_and_a_limit_are_handed_on(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("streamlit.web.cli.main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr("dashboard.start.launch.warm_up", lambda: None)
    monkeypatch.setattr(sys, "argv", ["gradinv"])
    monkeypatch.setenv("GRADINV_VISITORS", "")
    before = torch.get_num_threads()
    assert main(["dashboard", "--host", "0.0.0.0", "--base-path", "/school/", "--visitors", "12", "--headless"]) == 0
    torch.set_num_threads(before)
    assert {"--server.address=0.0.0.0", "--server.baseUrlPath=school"} <= set(seen[0])
    assert os.environ["GRADINV_VISITORS"] == "12"
    assert "without a password, at http://" in capsys.readouterr().err


def test_a_missing_part_of_the_page_is_named(monkeypatch, capsys):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="streamlit")

    monkeypatch.setattr("gradinv_core.cli.import_module", absent)
    assert main(["dashboard"]) == 2
    assert "the dashboard needs streamlit" in capsys.readouterr().err
