"""Words that everyday language does not have are explained on every page that uses them."""

import pytest
from google.protobuf.json_format import MessageToDict

from dashboard.layout.glossary import GLOSSARY

SAID = {
    "Gradient": "gradient",
    "Soft label": "soft label",
    "Share": "share",
    "Head": "the head",
    "Tensor": "tensor",
    "Outer product": "outer product",
    "λ (lambda)": "λ",
    "Pseudo-label": "pseudo-label",
    "The paper": "the paper",
    "The paper's loss": "the paper's loss",
    "Skip": "a skip only",
    "Max pool": "max pool",
    "PSNR": "psnr",
}
"""What to look for on a page, by the word that explains it."""


def test_every_word_is_looked_for():
    assert set(SAID) | {"Feature"} == set(GLOSSARY)  # a feature is one in everyday language, too


def listed(page):
    return next(part for part in page.main.get("popover") if part.proto.popover.label == "Words")


@pytest.mark.parametrize("name", ["lab", "lesson", "demo", "gallery", "failures", "protection", "experiments"])
def test_every_page_explains_the_words_it_uses(lab, name):
    page = lab()
    if name != "lab":
        page.switch_page(f"app_pages/{name}.py").run()
    assert not page.exception
    explained = listed(page).markdown[0].value
    elements = [element for element in page.main if element.proto is not None and element not in list(listed(page))]
    parts = [MessageToDict(element.proto) for element in elements]
    # What marks the words says them all again, and what leads to the slider over λ lies on every page, unseen.
    said = " ".join(
        str(part) for part in parts if part.get("componentName") not in ("word_marks", "access_keeper")
    ).lower()
    for word, looked_for in SAID.items():
        if looked_for in said:
            assert f"**{word}**" in explained, word
