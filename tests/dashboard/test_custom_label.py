"""Labels that a visitor types or draws: recovered, honestly ambiguous, or refused in a sentence."""

import pytest


def test_shares_of_ones_own_through_a_bias_are_recovered(lab, numbers):
    page = lab(label="custom", shares="3: 0.5, 7: 0.3, 1: 0.2", bias="yes")
    (box,) = page.warning  # nothing tells a label without a form from another loss
    assert box.value.startswith("**The feature is known, the label is not.** Either this label follows no pattern")
    assert numbers(page)["Format"] == "not settled"
    assert "×\u00a010⁻" in numbers(page)["Largest error"]


def test_shares_without_structure_are_ambiguous_and_the_page_says_what_is_open(lab, numbers, rebuilt):
    page = lab(label="custom", shares="0.1, 0.15, 0.1, 0.1, 0.3, 0.05, 0.1, 0.1")
    assert [warning.value.split()[0] for warning in page.warning] == ["**Ambiguous.**"]
    assert numbers(page)["Format"] == "not settled"
    rebuilt(page)
    findings = [finding.value for finding in page.main.subheader]
    assert any(finding.startswith("Many labels fit: “") for finding in findings)
    assert findings[-3:] == [
        "The pattern is exact, its size is open",
        "The picture leaks; only its brightness is open",
        "2 of 3 layers leak exactly, 1 almost",
    ]


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        (
            "0.5, 0.6",
            "The shares you typed sum to 1.1 instead of 1: take away 0.1; the page goes on with 0.5, 0.3, 0.2.",
        ),
        (
            "8: 1",
            "There is no class 8 for the label you typed: the last one is 7; the page goes on with 0.5, 0.3, 0.2.",
        ),
    ],
)
def test_shares_that_are_no_label_are_said_in_a_sentence_and_stay_to_be_put_right(
    lab, numbers, rebuilt, shares, sentence
):
    page = lab(label="custom", shares=shares)
    assert page.warning[0].value == sentence
    assert page.text_input(key="scenario_shares").value == shares
    assert "PSNR" in numbers(rebuilt(page))
    page.text_input(key="scenario_shares").set_value("1: 1").run()
    assert sentence not in [warning.value for warning in page.warning]
    assert page.query_params["shares"] == "1: 1"
    assert numbers(page)["Format"] == "hard"


def test_a_random_label_is_one_click_and_another_click_another_label(lab):
    def draw(page):
        return next(button for button in page.button if button.label == "Random label").click().run()

    page = lab(label="custom")
    texts = [page.text_input(key="scenario_shares").value]
    for _ in range(2):
        draw(page)
        texts.append(page.text_input(key="scenario_shares").value)
        assert page.query_params["shares"] == texts[-1]
    assert len(set(texts)) == 3
    again = lab(label="custom")
    assert draw(again).text_input(key="scenario_shares").value == texts[1]
