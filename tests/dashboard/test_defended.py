"""Defences, batches and merged classes on the page: controls write the scenario, and the Lab goes as far as it can."""

import time

import pytest
import torch

from dashboard.background import tasks, work
from gradinv_core.batch_recovery.pictures import BatchStep
from gradinv_core.defences import DEFENCES, read_defences, write_defences
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.server.attack import attack_image, attack_label, certain_answer
from gradinv_core.label_recovery import Doubt, Status
from gradinv_core.metrics import psnr

LENET = {"network": "lenet_sigmoid"}


def widget(page, kind, key):
    return next(part for part in page.get(kind) if part.key == key)


def headings(page):
    return [header.value for header in page.header]


def findings(page):
    return [part.value for part in page.main.subheader]


def boxes(page):
    return " ".join(box.value for box in (*page.main.warning, *page.main.info, *page.main.error))


def test_the_menu_writes_a_pipeline_in_the_order_of_choice(lab):
    page = lab()
    widget(page, "multiselect", "defence kinds").set_value(["gaussian", "clip"])
    page.run()
    assert page.session_state["scenario_defences"] == "gaussian:0.001~clip:1"
    widget(page, "button", "defence later gaussian").click().run()
    assert page.session_state["scenario_defences"] == "clip:1~gaussian:0.001"
    assert not page.exception
    assert any("**Defended:** “Clip” (norm 1.00), then" in part.value for part in page.main.markdown)


def test_a_slider_changes_its_own_defence(lab):
    page = lab(defences="clip:1~prune:0.5")
    widget(page, "select_slider", "defence strength prune").set_value(0.9).run()
    assert page.session_state["scenario_defences"] == "clip:1~prune:0.9"
    widget(page, "multiselect", "defence kinds").set_value(["prune"]).run()
    assert page.session_state["scenario_defences"] == "prune:0.9"  # what stays keeps its strength


def test_an_address_may_ask_for_a_strength_between_the_slider_s(lab):
    page = lab(defences="clip:0.123")
    assert widget(page, "select_slider", "defence strength clip").value == 0.123
    assert not page.error


def test_nonsense_is_one_sentence_and_no_defence(lab):
    page = lab(defences="clip:0~what")
    assert page.session_state["scenario_defences"] == ""
    assert "The address asks for defences" in boxes(page)


def test_a_budget_needs_noise_after_a_clip(lab, numbers):
    name = "Privacy budget ε at δ = 1.0\u00a0×\u00a010⁻⁵"
    assert name not in numbers(lab())
    assert numbers(lab(defences="gaussian:1~clip:1"))[name] == "none"
    assert float(numbers(lab(defences="clip:1~gaussian:1"))[name]) > 1


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ({"defences": "withhold head"}, "The last layer was withheld"),
        ({"defences": "prune:0.5"}, "The gradient was pruned"),
        ({"dataset": "digits", "classes": "3"}, "Too few classes"),
        ({"defences": "gaussian:1"}, "The gradient is noisy"),
    ],
)
def test_where_the_server_cannot_begin_the_lab_says_why(lab, query, cause):
    page = lab(**LENET, **query)
    assert headings(page) == ["1  The client", "2  What leaves the device", "3  The attack ends here"]
    assert f"**{cause}.**" in boxes(page)
    assert not page.error


@pytest.mark.parametrize("name", DEFENCES)
def test_every_defence_leaves_a_page_for_both_servers(lab, name):
    page = lab(defences=write_defences([DEFENCES[name].build()]))
    for aware in (False, True):
        toggle = widget(page, "toggle", "scenario_aware")
        if toggle.value is not aware:
            toggle.set_value(aware).run()
        assert not page.exception
        assert not page.error
        assert headings(page)[:2] == ["1  The client", "2  What leaves the device"]
        assert len(headings(page)) >= 3
    page.switch_page("app_pages/failures.py").run()
    assert not page.exception
    assert not page.error
    assert headings(page) == ["1  What goes wrong", "2  Four windows on λ", "3  The race"]


def test_a_batch_shows_all_its_pictures_and_is_named(lab):
    page = lab(**LENET, samples="3")
    assert any("that of 3 pictures at once" in part.value for part in page.main.caption)
    assert "A batch instead of one sample" in boxes(page)


def test_a_batch_behind_relus_is_taken_apart_with_all_its_pictures(lab):
    page = lab(network="fcn_small", samples="3")
    assert "3  One by one" in headings(page)
    assert "3 of 3 labels unique" in boxes(page)
    assert any("3 soft labels and 3 pictures" in part.value for part in page.main.markdown)
    (row,) = [html.proto.body for html in page.main.get("html") if "the pictures the server rebuilt" in html.proto.body]
    assert row.count("<img") == 3


def test_a_clipped_label_is_doubted_by_the_naive_server_and_certain_for_the_one_that_knows(lab, numbers):
    naive = lab(**LENET, defences="clip:0.5")
    assert "**Ambiguous.** The gradient is " in boxes(naive)
    assert "of an honest one" in boxes(naive)
    assert numbers(naive)["Format"] == "not settled"
    aware = lab(**LENET, defences="clip:0.5", aware="yes")
    assert "**Unique.**" in boxes(aware)
    assert "×" in numbers(aware)["Largest error"]  # a power of ten


def step(scenario):
    scene = play(scenario)
    return scene.network, scene.client


def test_merged_classes_are_the_remainder():
    _, client = step(Scenario(dataset="digits", network="lenet_sigmoid", classes=3, image=5, augmentation="none"))
    _, whole = step(Scenario(dataset="digits", network="lenet_sigmoid", image=5, augmentation="none"))
    assert client.sample.label.numel() == 3
    assert int(client.sample.label.argmax()) == int(whole.sample.label.argmax()) % 3
    assert client.class_names == ("0 and others", "1 and others", "2 and others")


def test_a_sure_network_with_a_bias_and_a_known_clipping_is_no_crash(lab):
    page = lab(**LENET, bias="yes", defences="clip:0.5", aware="yes", sharpness="1000", label="none", **{"class": "3"})
    assert not page.error
    page.switch_page("app_pages/failures.py").run()
    assert not page.exception
    assert not page.error


@pytest.mark.parametrize("defences", ["clip:0.1~gaussian:1e-6", "drop rows:0.5", "gaussian:0.001", "prune:0.9"])
@pytest.mark.parametrize("network", ["fcn_small", "lenet_sigmoid"])
def test_the_whiskers_hold_the_truth(network, defences):
    scenario = Scenario(network=network, defences=defences, aware=True)
    scene = play(scenario)
    client, solved = scene.client, attack_label(scene.network, scene.gradients, scene.announced)
    low, high, true = solved.allowed.low, solved.allowed.high, client.sample.label.numpy()
    if solved.recovery.status is Status.UNIQUE:
        assert abs(solved.recovery.label.numpy() - true).max() < 1e-3
    else:
        outside = (true < low - 0.05) | (true > high + 0.05)  # noise blurs the ends
        assert not outside.any()


@pytest.mark.parametrize("defences", ["drop rows:0.1", "prune:0.5", "clip:0.1", "drop rows:0.1~clip:0.2"])
def test_an_informed_answer_leads_to_the_picture(defences):
    scenario = Scenario(defences=defences, aware=True)
    scene = play(scenario)
    network, client, announced = scene.network, scene.client, scene.announced
    solved = attack_label(network, client.gradients, announced)
    answer = certain_answer(solved.recovery, announced)
    assert answer is not None
    assert psnr(attack_image(network, solved.gradients, answer).image, client.sample.image) > 70
    true_scale = client.scale_of(solved.head.row_gradient[0])
    assert any(low <= true_scale <= high for low, high in solved.recovery.intervals)


def test_both_pages_speak_of_the_same_gradient(lab):
    page = lab(**LENET, defences="prune:0.5", aware="yes")
    assert "**Unique.**" in boxes(page)
    page.switch_page("app_pages/failures.py").run()
    assert "**Unique.** One λ is left" in boxes(page)


def test_a_server_that_knows_is_not_told_what_it_knows(lab):
    page = lab(**LENET, defences="prune:0.9", aware="yes")
    assert "**Ambiguous.**" in boxes(page)
    assert "The gradient was pruned" not in boxes(page)


def test_a_clipped_mean_of_several_pictures_has_no_budget(lab, numbers):
    name = "Privacy budget ε at δ = 1.0\u00a0×\u00a010⁻⁵"
    assert numbers(lab(**LENET, defences="clip:1~gaussian:5", samples="4"))[name] == "none"


def test_the_same_scenario_draws_the_same_noise():
    scenario = Scenario(network="lenet_sigmoid", defences="gaussian:0.01~drop rows:0.3", seed=5)
    first, second = (step(scenario)[1].gradients for _ in range(2))
    assert all(first[name].equal(second[name]) for name in first)


def test_what_the_server_knows_of_the_defences_is_what_was_announced():
    network, client = step(Scenario(network="lenet_tanh", defences="clip:0.3"))
    naive = attack_label(network, client.gradients)
    aware = attack_label(network, client.gradients, read_defences("clip:0.3"))
    assert naive.recovery.status is not Status.UNIQUE
    assert naive.recovery.doubt is Doubt.RESCALED
    assert float((aware.recovery.label - client.sample.label).abs().max()) < 1e-3
    assert abs(aware.recovery.scale / client.truth.scale) == pytest.approx(1, rel=1e-3)


def test_a_batch_whose_head_has_too_few_classes_is_refused_in_words(lab):
    page = lab(network="lenet_relu", samples="3", classes="4")
    assert "3  The attack ends here" in headings(page)
    assert "3  One by one" not in headings(page)
    assert not page.error


def test_labels_of_a_batch_are_watched_stopped_and_begun_again(lab, monkeypatch):
    def slow(*_, on_progress, stop, **__):
        on_progress(1, 3)
        while not stop():
            time.sleep(0.01)

    read = tasks.attack_batch
    monkeypatch.setattr(tasks, "attack_batch", slow)
    monkeypatch.setattr(work, "_PATIENCE", 0.0)
    page = lab(network="lenet_relu", samples="3", seed="5")  # of which no other test asks: answers are kept
    working, stopped = "The server takes the pictures apart", "Stopped on the way to the labels"
    assert working in findings(page)
    assert "3  One by one" in headings(page)
    assert any("is read off this gradient yet" in part.value for part in page.main.markdown)
    (job,) = page.session_state["background jobs"]._slots["reading"].values()
    while not job.reports:
        time.sleep(0.01)
    next(button for button in page.button if button.key == "reading stop").click().run()
    assert stopped in findings(page)
    monkeypatch.setattr(tasks, "attack_batch", read)
    monkeypatch.setattr(work, "_PATIENCE", 30.0)
    next(button for button in page.button if button.key == "reading again").click().run()
    assert "3 of 3 labels unique" in boxes(page)
    assert working not in findings(page)
    assert not page.exception


def test_pictures_of_a_batch_are_watched_stopped_and_begun_again(lab, monkeypatch):
    def slow(*sent):
        attack, report, stop = sent[2:]
        report(BatchStep("Input of layer", "3"))
        report(BatchStep("Picture 1 of 3", "1", torch.full((3, 3, 32, 32), 0.5, dtype=torch.float64), 0.25))
        while not stop():
            time.sleep(0.01)
        return attack

    monkeypatch.setattr(tasks, "attack_batch_pictures", slow)
    page = lab(network="lenet_relu", samples="3")  # of which no other test asks for pictures: answers are kept
    working, stopped = "The server is at work on all pictures at once", "Stopped on the way to the pictures"
    assert working in findings(page)
    (job,) = page.session_state["background jobs"]._slots["batch"].values()
    while len(job.reports) < 2:
        time.sleep(0.01)
    assert "the client's pictures" not in str(page.main.get("html"))
    next(button for button in page.button if button.key == "batch stop").click().run()
    assert stopped in findings(page)
    (row,) = [html.proto.body for html in page.main.get("html") if "the pictures so far" in html.proto.body]
    assert row.count("”, to come") == 3  # under the server's own labels; grey squares would pass for pictures
    next(button for button in page.button if button.key == "batch again").click().run()
    assert working in findings(page)
    assert not page.exception
