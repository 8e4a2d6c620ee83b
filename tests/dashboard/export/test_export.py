"""What a visitor takes along: the same numbers in every form."""

import csv
import io
import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from dashboard.components import Frame
from dashboard.drawing.pictures import picture_source
from dashboard.export import ComparedRun, Run, comparison_page, label_table, numbers, offline_page, playback, script
from dashboard.figures import label_bars
from gradinv_core.experiments import Scenario, play
from gradinv_core.experiments.server.attack import attack_image, attack_label, certain_answer
from gradinv_core.metrics import max_abs_error, psnr


def attacked(scenario):
    scene = play(scenario)
    attack = attack_label(scene.network, scene.gradients, scene.announced)
    recovery = attack_image(scene.network, attack.gradients, certain_answer(attack.recovery, scene.announced))
    names = [f"class {place}" for place in range(scene.client.mean.label.numel())]
    return Run(scenario, names, scene.client, attack, recovery)


@pytest.fixture(scope="module")
def run():
    return attacked(Scenario(dataset="digits", image=7, augmentation="mixup", partner=12, seed=2))


def test_the_numbers_are_those_of_the_run(run):
    content = json.loads(numbers(run))
    assert content["scenario"]["image"] == "7"
    assert content["status"] == "unique"
    assert content["lambda"]["recovered"] == run.attack.recovery.scale
    assert content["label"]["recovered"] == run.attack.recovery.label.tolist()
    assert content["label"]["largest_error"] == max_abs_error(run.attack.recovery.label, run.client.mean.label)
    assert content["picture"]["psnr"] == psnr(run.recovery.image, run.client.mean.image)
    assert json.loads(numbers(replace(run, recovery=None)))["picture"] is None


def test_the_table_has_a_line_for_every_class_and_no_formula(run):
    rows = list(csv.reader(io.StringIO(label_table(run))))
    assert len(rows) == 11
    assert [float(row[1]) for row in rows[1:]] == run.attack.recovery.label.tolist()
    dangerous = replace(run, class_names=["=1+1", *run.class_names[1:]])
    assert label_table(dangerous).splitlines()[1].startswith("'=1+1,")


def test_the_script_reproduces_the_numbers(run, capsys):
    exec(compile(script(run), "run.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own text
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    content = json.loads(numbers(run))
    assert printed["status"] == content["status"]
    assert float(printed["lambda"]) == content["lambda"]["recovered"]
    assert float(printed["largest error of the label"]) == content["label"]["largest_error"]
    assert float(printed["relative error of the feature"]) == content["feature"]["relative_error"]
    assert float(printed["PSNR"]) == pytest.approx(content["picture"]["psnr"], abs=1e-6)


def test_a_script_without_the_own_photo_says_so(run):
    assert "a photo of your own" in script(replace(run, scenario=Scenario(own_photo=True)))
    assert "a photo of your own" not in script(run)


def test_a_page_asks_nobody_for_anything_and_is_not_fooled_by_names(run):
    names = ['</script><script src="http://evil">', *run.class_names[1:]]
    figure = label_bars(run.attack.recovery.label, run.client.mean.label, None, names)
    page = offline_page(run, "<b>One</b> & all", [figure], dark=True)
    own = page[: page.index("plotly.js v")]
    assert 'src="http' not in own
    assert "&lt;b&gt;One&lt;/b&gt; &amp; all" in own
    assert "<script src" not in own
    assert own.count("<img") == 2
    assert offline_page(replace(run, recovery=None), "", [], dark=False).count("<figure>") == 1


def test_a_comparison_asks_nobody_for_anything_and_is_not_fooled_by_names():
    rows = [{"": "λ", "then": "<1>", "now": "2"}, {"": "PSNR", "then": "none", "now": "9 dB"}]
    bars = label_bars([0.9, 0.1], [1.0, 0.0], None, ["</script><b>", "2"])
    before = ComparedRun("<script>a</script>", "", [bars])
    now = ComparedRun("b", "data:image/png;base64,AA", [bars])
    page = comparison_page(before, now, rows, dark=False)
    own = page[: page.index("plotly.js v")]
    assert "<script src" not in own
    assert "http" not in own
    assert own.count("data-figure=") == 2
    assert "</script><b>" not in own
    plain = comparison_page(replace(before, figures=[]), replace(now, figures=[]), rows, dark=False)
    assert "<script" not in plain
    assert "<p>Then: &lt;script&gt;a&lt;/script&gt;. No picture.</p>" in page
    assert '<img src="data:image/png;base64,AA" alt="Now: b.">' in page
    assert "<td>&lt;1&gt;<td>2" in page


def test_a_playback_shows_every_frame_and_rests_on_the_last():
    steps = [torch.full((3, 4, 4), value, dtype=torch.float64) for value in (0.0, 1.0)]
    wide = torch.full((3, 2, 8), 0.5, dtype=torch.float64)
    frames = [
        Frame(picture_source(steps[0]), "begin", truth=picture_source(steps[1])),
        Frame(picture_source(wide), "layer λ"),
        Frame(picture_source(steps[1]), "end", truth=picture_source(steps[1])),
    ]
    film = Image.open(io.BytesIO(playback(frames, 100)))
    assert film.n_frames == 3
    seen, durations = [], []
    for place in range(3):
        film.seek(place)
        durations.append(film.info["duration"])
        seen.append(film.convert("RGB").getpixel((400, 140)))
    assert seen[0] == (0, 0, 0)
    assert seen[1] == pytest.approx((128, 128, 128), abs=2)
    assert seen[2] == (255, 255, 255)
    assert durations == [100, 100, 2500]
    with pytest.raises(ValueError, match="expected at least one frame, got none"):
        playback([], 100)
