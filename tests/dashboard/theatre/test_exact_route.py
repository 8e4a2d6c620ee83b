"""Step 6, the exact route in all its states: exact, almost, not, still at work, impossible."""

import threading

import pytest

from dashboard.background.jobs import JobState
from gradinv_core.errors import NoExactRouteError, RankError

LENET = {"network": "lenet_tanh"}
REASON = "Every activation can be undone, so each layer's input follows from linear equations."


def test_an_exact_answer_comes_with_error_bars_layers_and_a_reason(lab, numbers, exact, findings):
    exact(std=1e-6)
    page = lab(**LENET)
    shown = numbers(page)
    assert shown["PSNR"] == "120 dB"
    assert shown["Within the error bars"] == "100 %"
    assert shown["Time"] == "1.5 s"
    assert findings(page)[-2:] == ["Recovered: the eye sees no difference", "All 4 layers leak exactly"]
    assert REASON in [text.value for text in page.main.markdown]
    row = page.main.get("html")[-1].proto.body
    assert row.count("<img") == 3
    assert "How unsure the server is" in row
    table = page.dataframe[0].value
    assert list(table["rank"]) == [3072, 3072, 768, 768]
    assert not page.warning


def test_an_answer_that_is_almost_there_says_how_sure_it_is(lab, numbers, exact, findings):
    exact(std=0.05, share=0.8)
    page = lab(**LENET)
    assert findings(page)[-2:] == [
        "Recovered but for small differences, and the server's error bars say so",
        "3 of 4 layers leak exactly, 1 almost",
    ]
    assert numbers(page)["PSNR"] == "26.2 dB"  # as it is shown, black or white beyond 0 and 1


def test_no_answer_at_all_is_not_sold_as_one(lab, exact, findings):
    exact(std=0.5, share=0.1)
    page = lab(**LENET)
    assert findings(page)[-2:] == [
        "Not recovered: nothing to recognise, and the server's error bars say so",
        "3 of 4 layers leak exactly, 1 not",
    ]


def test_while_the_server_works_the_rest_of_the_page_is_there(lab, numbers, exact, findings, finish):
    gate = threading.Event()
    exact(gate=gate)
    page = lab(**LENET)
    assert findings(page)[-1] == "The server is at work"
    assert numbers(page)["Format"] == "smoothing"
    assert "PSNR" not in numbers(page)
    gate.set()
    assert "PSNR" in numbers(finish(page, "exact"))


def test_a_visitor_can_stop_the_server_and_let_it_begin_again(lab, numbers, exact, findings, button, job_of, finish):
    gate = threading.Event()
    exact(gate=gate)
    page = lab(**LENET)
    first = job_of(page, "exact")
    button(page, "Stop").click().run()
    assert first.state is JobState.STOPPED
    page.run()  # the page that draws itself again leaves it stopped
    assert not page.exception
    assert "Stopped on the way to the picture" in findings(page)
    assert job_of(page, "exact") is first
    assert button(page, "Start") is not None  # gradient matching is open
    gate.set()
    button(page, "Rebuild the picture").click().run()
    assert "PSNR" in numbers(finish(page, "exact"))


def test_leaving_a_scenario_ends_its_attack_and_coming_back_begins_anew(lab, numbers, exact, job_of):
    gate = threading.Event()
    exact(gate=gate)
    page = lab(**LENET)
    first = job_of(page, "exact")
    gate.set()
    page.number_input(key="scenario_image").set_value(1).run()
    assert first.state is not JobState.RUNNING
    page.number_input(key="scenario_image").set_value(0).run()
    assert "PSNR" in numbers(page)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoExactRouteError("no exact route is known: layer 3 is a MaxPool2d."), "No exact route is known: layer 3 is"),
        (RankError("gradient 0.weight: expected one outer product."), "The layers' equations contradict each other: "),
        (RuntimeError("boom"), "The run ended with an unexpected RuntimeError (boom); try other settings."),
    ],
)
def test_where_no_exact_route_leads_the_panel_opens_with_a_sentence(
    lab, numbers, exact, error, sentence, findings, button
):
    exact(error=error)
    page = lab(**LENET)
    assert [info.value for info in page.info if info.value.startswith(sentence)]
    assert "PSNR" not in numbers(page)
    panel = next(part for part in page.main.expander if part.label.startswith("Gradient matching"))
    assert panel.proto.expanded
    assert findings(page)[-1] == "Only counted: every layer has at least as many equations as unknowns"
    assert button(page, "Start") is not None
