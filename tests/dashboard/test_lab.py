"""The Lab from the script's side: scenarios, sentences and numbers, without a browser."""

import inspect

import pytest
import torch
from streamlit.testing.v1 import AppTest

from dashboard import cache
from gradinv_core.errors import DatasetUnavailableError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.attack import attack_image, attack_label, search_image

NETWORK_PARAMETERS = ("network", "classes", "bias", "init", "stage", "seed")
LABEL_PARAMETERS = ("label", "epsilon", "ratio", "partner", "class", "shares")
SEARCH_PARAMETERS = ("matchlabel", "optimizer", "distance", "iterations", "smoothness", "start", "run")
PARAMETERS = ("dataset", "image", *NETWORK_PARAMETERS, *LABEL_PARAMETERS, *SEARCH_PARAMETERS, "v")


def widget(page: AppTest, kind: str, field: str):
    return page.get(kind) and next(part for part in page.get(kind) if part.key == f"scenario_{field}")


def test_the_first_view_ends_in_a_perfect_picture(lab, rebuilt, numbers):
    page = rebuilt(lab())
    assert [header.value for header in page.header] == [
        "1  The client",
        "2  What leaves the device",
        "3  One unknown number",
        "4  The label",
        "5  The feature",
        "6  The picture",
    ]
    shown = numbers(page)
    assert shown["Format"] == "smoothing"
    assert "×\u00a010⁻" in shown["Largest error"]
    assert float(shown["PSNR"].split()[0]) > 100
    assert shown["SSIM"] == "1.0000"
    assert not page.error
    assert not page.warning
    assert dict(page.query_params) == {}


def test_every_step_folds_its_mathematics_away(lab):
    page = lab()
    folded = [expander.label for expander in page.main.expander]
    assert folded.count("Show the mathematics") == 6
    assert len(folded) == len(set(folded)) + 5
    assert not any(expander.proto.expanded for expander in page.main.expander)
    assert len(page.main.latex) >= 12


def test_a_widget_changes_the_address_and_an_address_restores_the_widgets(lab, numbers):
    page = lab()
    widget(page, "selectbox", "augmentation").set_value("mixup+smoothing").run()
    widget(page, "slider", "ratio").set_value(0.8).run()
    written = dict(page.query_params)
    assert written == {"label": "mixup+smoothing", "ratio": "0.8", "v": "1"}

    restored = lab(**written)
    assert widget(restored, "slider", "ratio").value == 0.8
    assert numbers(restored)["Format"] == "mixup+smoothing"
    assert not restored.warning


def test_a_hidden_slider_keeps_its_value(lab):
    page = lab(label="smoothing", epsilon="0.3")
    widget(page, "selectbox", "augmentation").set_value("none").run()
    assert not [slider for slider in page.slider if slider.key == "scenario_epsilon"]
    widget(page, "selectbox", "augmentation").set_value("smoothing").run()
    assert widget(page, "slider", "epsilon").value == 0.3


def test_nonsense_in_the_address_is_said_in_a_sentence_until_something_changes(lab, numbers):
    page = lab(network="vgg", epsilon="lots", image="99999", **{"class": "77"})
    sentences = [warning.value for warning in page.warning]
    assert len(sentences) == 4
    assert "network “vgg”" in sentences[0]
    assert "epsilon “lots”" in sentences[1]
    assert sentences[2].startswith("There is no image 99,999 among")
    assert sentences[3] == "There is no class 77 in this dataset; the page uses the picture's own."
    assert float(numbers(page)["PSNR"].split()[0]) > 100
    assert dict(page.query_params) == {}
    page.number_input(key="scenario_image").set_value(3).run()
    assert not page.warning


def test_an_address_that_is_nonsense_throughout_is_one_list_and_the_page_goes_on(lab, numbers):
    page = lab(**dict.fromkeys(PARAMETERS, "<b>%00; drop table"))
    assert len(page.warning) == 1
    assert page.warning[0].value.count("The address asks for") == len(PARAMETERS) - 1
    assert "<" not in page.warning[0].value
    assert float(numbers(page)["PSNR"].split()[0]) > 100
    assert dict(page.query_params) == {}


@pytest.mark.parametrize("kind", ["none", "smoothing", "mixup", "cutmix", "mixup+smoothing"])
def test_every_softening_is_recovered_without_being_told(lab, numbers, kind):
    shown = numbers(lab(label=kind, partner="12"))
    expected = {"none": "hard", "cutmix": "mixup"}.get(kind, kind)
    assert shown["Format"] == expected
    assert float(shown["PSNR"].split()[0]) > 60


def test_a_bias_is_another_window(lab, numbers):
    assert numbers(lab(bias="yes"))["Leaked through"] == "bias"


def test_a_mixture_shows_both_pictures_and_their_shares(lab):
    page = lab(label="mixup", ratio="0.7", partner="3")
    row = next(row for row in page.main.get("html") if "mixture" in row.proto.body)
    assert row.proto.body.count("<img") == 3
    assert "70 % “astronaut”" in row.proto.body
    assert "30 % “rocket”" in row.proto.body
    assert not [row for row in lab().main.get("html") if "mixture" in row.proto.body]


def test_a_trained_network_knows_ten_digits(lab, numbers):
    page = lab(dataset="digits", network="lenet_sigmoid", stage="hard-epoch-40", image="3")
    shown = numbers(page)
    assert shown["Format"] == "smoothing"
    assert page.toggle(key="scenario_head_bias").disabled


def test_an_ambiguous_gradient_is_not_sold_as_an_answer(lab):
    page = lab(dataset="digits", network="lenet_sigmoid", stage="hard-epoch-40", image="22")
    assert [warning.value for warning in page.warning if warning.value.startswith("**Ambiguous.**")]


def test_a_network_without_an_exact_route_says_so_and_still_gives_the_label(lab, numbers):
    page = lab(network="alexnet", classes="100", label="mixup")
    assert "PSNR" not in numbers(page)
    assert numbers(page)["Format"] == "mixup"
    assert any("no exact route" in sentence.value.lower() for sentence in page.info)


def test_a_class_the_head_does_not_have_is_one_sentence(lab):
    page = lab(dataset="photographs", network="lenet_sigmoid", stage="hard-epoch-5", **{"class": "8"})
    assert page.warning[0].value.startswith("There is no class 8 in this dataset")


def test_a_dataset_that_cannot_be_downloaded_is_one_sentence_and_the_lesson_stays(lab, numbers, monkeypatch):
    page = lab(dataset="digits", image="7")
    opened = cache.load_dataset

    def offline(name, *arguments, **options):
        if name == "mnist":
            raise DatasetUnavailableError("MNIST has to be downloaded once, and that failed (<urlopen error>).")
        return opened(name, *arguments, **options)

    monkeypatch.setattr(cache, "load_dataset", offline)
    for _ in range(2):  # asked for again, it is said again
        widget(page, "selectbox", "dataset").set_value("mnist").run()
        assert not page.exception
        assert not page.error
        assert [box.value for box in page.warning if box.value.startswith("MNIST has to be downloaded once, and that")]
        assert "“Handwritten digits”" in page.warning[0].value
        assert "urlopen" not in page.warning[0].value
        assert widget(page, "selectbox", "dataset").value == "digits"
        assert page.session_state["scenario_image"] == 7
        assert "PSNR" in numbers(page)
    page.run()
    assert "MNIST" in page.warning[0].value
    widget(page, "number_input", "image").set_value(8).run()
    assert not page.warning


def test_an_address_that_asks_for_a_download_offline_opens_the_default_dataset(lab, numbers, monkeypatch):
    opened = cache.load_dataset

    def offline(name, *arguments, **options):
        if name == "mnist":
            raise DatasetUnavailableError("MNIST has to be downloaded once, and that failed.")
        return opened(name, *arguments, **options)

    monkeypatch.setattr(cache, "load_dataset", offline)
    page = lab(dataset="mnist")
    assert "“Photographs”" in page.warning[0].value
    assert "PSNR" in numbers(page)


def test_datasets_that_need_a_download_are_marked_in_the_menu(lab):
    menu = widget(lab(), "selectbox", "dataset")
    assert [title for title in menu.options if title.endswith("(download)")] == [
        "MNIST (download)",
        "Fashion-MNIST (download)",
        "CIFAR-10 (download)",
        "CIFAR-100 (download)",
        "Flowers-102 (download)",
    ]


def test_the_server_gets_the_public_network_and_the_gradients_only():
    assert list(inspect.signature(attack_label).parameters) == ["network", "gradients", "announced"]
    known = ["network", "gradients", "answer", "on_step", "stop"]
    assert list(inspect.signature(attack_image).parameters) == known
    assert {"image", "sample", "truth", "client"}.isdisjoint(inspect.signature(search_image).parameters)


def test_nothing_cached_is_modified():
    scene = play(Scenario())
    before = {name: value.clone() for name, value in scene.network.model.state_dict().items()}
    attack_label(scene.network, scene.gradients)
    attack_image(scene.network, scene.gradients)
    model = scene.network.model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training


def verdict(page):
    """Pictures and sentence above the first step."""
    row = page.main.get("html")[0].proto.body
    assert "what the client keeps and what leaked" in row
    return row, next(text.value for text in page.main.markdown if text.value.startswith("**"))


def test_the_verdict_stands_first_and_a_defence_can_be_switched_on_beside_it(lab):
    page = lab()
    row, sentence = verdict(page)
    assert row.count("<img") == 2
    assert sentence.startswith("**Recovered: the eye sees no difference. Soft label recovered to ")
    page.pills(key="defence switch").set_value("more-noise").run()
    assert not page.exception
    assert page.query_params["defences"] == "gaussian:0.01"
    row, sentence = verdict(page)
    assert row.count("<img") == 1
    assert sentence == "**Neither label nor picture is read off this gradient.**"
    page.pills(key="defence switch").set_value("off").run()
    assert "defences" not in page.query_params
    assert verdict(page)[0].count("<img") == 2


def test_the_switch_shows_no_position_for_a_defence_of_the_visitors_own(lab):
    assert lab(defences="clip:0.3").pills(key="defence switch").value is None
    assert lab(defences="prune:0.9").pills(key="defence switch").value == "sparse"


def test_a_vision_transformer_gives_its_picture_away(lab, rebuilt, numbers):
    page = rebuilt(lab(network="vit_small", label="mixup+smoothing", partner="12"))
    shown = numbers(page)
    assert shown["Format"] == "mixup+smoothing"
    assert float(shown["PSNR"].split()[0]) > 70
    assert shown["SSIM"] == "1.0000"
    assert "Within the error bars" in shown
    assert not page.error
    texts = [text.value for text in (*page.main.markdown, *page.main.caption)]
    assert any(
        text.startswith("The gradient of the learned positions is the loss gradient at every patch") for text in texts
    )
    assert any(text.endswith("all the layers above need not be undone.") for text in texts)
    words = next(
        chart.proto.alt for chart in page.get("plotly_chart") if "From the picture to the head" in chart.proto.alt
    )
    assert words.startswith("Both layers leak exactly; the 12 layers between need not be undone.")
    assert "; attention, 2 layers: not needed" in words
    assert any("is a *linear* system for $X$" in text for text in texts)
