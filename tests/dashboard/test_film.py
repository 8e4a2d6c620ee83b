"""Films: pictures beside the truth on one grey scale, error bars as tints, curves that follow."""

import base64
import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from dashboard.components.frame_player import Frame, Trace, _curve_payloads, _Pictures
from dashboard.drawing.pictures import deviation_picture, layer_picture
from dashboard.sections.story.film import layer_curves, layer_frames, search_curves, search_frames, short
from gradinv_core.experiments.client.layer_inputs import true_inputs
from gradinv_core.image_recovery import Step
from gradinv_core.networks import build_network


def pixels(source: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.removeprefix("data:image/png;base64,")))))


def test_a_recovered_map_and_the_true_one_share_their_grey_scale():
    true = torch.zeros(1, 2, 2, dtype=torch.float64)
    step = Step("Input of layer 2", true + 1.0, layer="2")
    (frame,) = layer_frames([step], [true], dark=False)
    assert (pixels(frame.source) == 255).all()
    assert (pixels(frame.truth) == 0).all()
    assert frame.deviation == ""
    assert "4 numbers (1 × 2 × 2)." in frame.caption


def test_a_flat_truth_takes_the_shape_of_what_is_shown_and_a_foreign_one_is_left_out():
    step = Step("Input of layer 2", torch.rand(2, 3, 3, dtype=torch.float64), torch.full((2, 3, 3), 0.25))
    fitting, foreign = layer_frames([step, step], [step.value.flatten(), torch.rand(5)], dark=False)
    assert fitting.truth == fitting.source
    assert "Off by 0 of its size. Largest error bar: 0.25." in fitting.caption
    assert foreign.truth == ""


def test_error_bars_run_from_paper_to_ink():
    std = torch.tensor([[[0.0, 0.1], [0.2, 0.4]]]).expand(3, 2, 2)
    picture = pixels(deviation_picture(std, 0.4, "#ffffff", "#0000ff"))
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[1, 1].tolist() == [0, 0, 255]
    assert picture[0, 1, 0] > picture[1, 0, 0] > picture[1, 1, 0]
    assert (pixels(deviation_picture(torch.zeros(4, 4), 0.0, "#ffffff", "#0000ff")) == 255).all()


def test_a_constant_layer_is_drawn_without_a_division_by_zero():
    assert (pixels(layer_picture(torch.full((4, 3, 3), 7.0))) == 0).all()


def test_the_curves_of_a_layer_film_tell_real_and_reported_error():
    true = torch.ones(4, dtype=torch.float64)
    steps = [Step("a", true * 1.01, true * 0.02), Step("b", true * 1.1, true * 0.2)]
    real, reported = layer_curves(steps, [true, true])
    assert list(real.values) == pytest.approx([0.01, 0.1])
    assert list(reported.values) == pytest.approx([0.02 / 1.01, 0.2 / 1.1])
    assert layer_curves([Step("a", true), Step("b", true)], [None, true]) == []


def test_curves_of_one_scale_can_be_compared_by_height():
    curves = [
        Trace("one", "", [1e-4, 1e-2], ["", ""], logarithmic=True, scale="error"),
        Trace("two", "", [1e-3, 1.0], ["", ""], logarithmic=True, scale="error"),
        Trace("three", "", [5.0, math.nan, 7.0], ["", "", ""]),
        Trace("four", "", [0.0, -1.0], ["", ""], logarithmic=True),
    ]
    one, two, three, four = (payload["heights"] for payload in _curve_payloads(curves))
    assert one == pytest.approx([0, 0.5])
    assert two == pytest.approx([0.25, 1])
    assert three == [0, None, 1]
    assert four == [None, None]


def test_a_picture_that_many_frames_share_travels_once():
    pictures = _Pictures()
    frames = [Frame("data:a", "1", truth="data:t"), Frame("data:b", "2", truth="data:t"), Frame("data:a", "3")]
    payloads = [pictures.payload(frame) for frame in frames]
    assert pictures.sources == ["data:a", "data:t", "data:b"]
    assert [(payload["source"], payload["truth"], payload["deviation"]) for payload in payloads] == [
        (0, 1, -1),
        (2, 1, -1),
        (0, -1, -1),
    ]


def test_a_search_film_tells_loss_and_psnr():
    image = torch.zeros(3, 4, 4)
    steps = [
        Step("Iteration 0", image.double() + 0.1, iteration=0, loss=0.5),
        Step("Iteration 10", image.double() + 0.01, iteration=10, loss=0.005),
    ]
    frames, (loss, decibels) = search_frames(steps, image), search_curves(steps, image)
    assert [frame.position for frame in frames] == [0, 10]
    assert frames[1].caption == "Loss 0.0050, PSNR 40.0 dB."
    assert list(loss.values) == [0.5, 0.005]
    assert list(decibels.values) == pytest.approx([20, 40])
    assert decibels.texts[0] == "20.0 dB"


def test_the_true_inputs_of_layers_come_without_touching_the_network():
    model = build_network("lenet_tanh", 10, seed=3)
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    seen = true_inputs(model, image, {"0", "2", "nowhere"})
    assert set(seen) == {"0", "2"}
    assert torch.equal(seen["0"], image.double())
    with torch.no_grad():
        expected = torch.tanh(model[0](image[None]))[0].double()
    torch.testing.assert_close(seen["2"], expected)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_film_of_the_way_back_shows_a_few_pictures_of_its_search():
    layers = [Step(f"Input of layer {name}", torch.zeros(2), layer=str(name)) for name in range(30)]
    searched = [Step("Search", torch.zeros(2), iteration=number) for number in range(1, 61)]
    kept = short([*layers, *searched, layers[0]])
    assert [step for step in kept if step.iteration is None] == [*layers, layers[0]]
    places = [step.iteration for step in kept if step.iteration is not None]
    assert (len(places), places[0], places[-1]) == (12, 1, 60)
    assert short(layers) == layers
    assert len(short(searched[:3])) == 3
