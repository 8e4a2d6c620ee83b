"""The runs of a tab: listed, reopened, compared in numbers."""

import torch

from dashboard.sections.lab.run_figures import RunFigures
from dashboard.sections.lab.runs import PastRun, differences, name_of
from gradinv_core.experiments.scenario import Scenario

BOX = "run to compare with"


def test_the_first_run_has_nothing_to_compare_with_and_the_second_has(lab):
    page = lab()
    assert any(caption.value.startswith("Change one thing") for caption in page.caption)
    page.query_params["image"] = "2"
    page.run()
    assert not page.exception
    box = page.selectbox(key=BOX)
    assert box.options == ["as the page opens"]
    assert any(caption.value.startswith("unique; label off by ") for caption in page.caption)
    box.select_index(0).run()
    assert not page.exception
    rows = page.dataframe[-1].value
    assert rows[""].tolist()[:2] == ["Picture number", "Answer"]
    assert rows["then"][0] == "0"
    assert rows["now"][0] == "2"
    assert rows["difference"].iloc[-1].endswith(" dB")


def test_the_way_back_stays_open_where_the_attack_ends_early(lab):
    page = lab()
    page.query_params["defences"] = "prune:0.9"
    page.run()
    assert not page.exception
    assert any(header.value == "3  The attack ends here" for header in page.header)
    assert any(box.label == "Runs of this tab (1)" for box in page.expander)


def test_a_scenario_is_named_by_what_is_special_about_it():
    assert name_of(Scenario()) == "as the page opens"
    assert name_of(Scenario(image=3, network="lenet_relu")) == "Picture number: 3, Architecture: lenet_relu"


def test_a_comparison_says_what_was_changed_and_by_how_much():
    numbers = torch.zeros(2, dtype=torch.float64)
    figures = RunFigures(numbers, numbers, numbers, numbers, ["a", "b"], "label", "feature", True, True)
    before = PastRun(Scenario(), "unique", -1.25, 1e-7, figures, 60.0, "data:")
    rows = differences(before, PastRun(Scenario(epsilon=0.3), "ambiguous", -1.5, 0.02, figures))
    assert [drawn.title for drawn in figures.drawn(dark=True)] == ["label", "feature"]
    assert [row[""] for row in rows] == [
        "Smoothing ε",
        "Answer",
        "λ",
        "Largest error of the label",
        "PSNR of the picture",
    ]
    assert rows[-1] == {"": "PSNR of the picture", "then": "60.0 dB", "now": "none", "difference": ""}
    assert differences(before, before)[-1]["difference"] == "+0.0 dB"
