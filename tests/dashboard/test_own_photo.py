"""A photo of the visitor's own: it follows through all pages of the tab, and never leaves it."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.runtime.caching import cache_resource_api

from dashboard.controls.photo import privacy
from dashboard.sections.protection.answer import PRICED
from dashboard.sections.shared.cards import card_of
from gradinv_core.datasets import load_dataset
from gradinv_core.errors import OptionError
from gradinv_core.experiments import scene
from gradinv_core.experiments.client.own_photo import PHOTO_LOST, own_image, read_photo
from gradinv_core.experiments.client.training_step import play_client
from gradinv_core.experiments.scenario import Scenario, from_query, to_query
from gradinv_core.experiments.scene import play
from gradinv_core.experiments.sweep.run import Sweep, play_point, repeat_scenario
from gradinv_core.image_files import read_image

LAB, FAILURES, PROTECTION, GALLERY = (f"app_pages/{name}.py" for name in ("lab", "failures", "protection", "gallery"))


def picture(seed: int = 0) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


PHOTO = read_photo(picture(), "upload")


def query(page) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[0] for name, value in page.query_params.items()}


def go(page, place: str):
    page.switch_page(place).run()
    assert not page.exception
    return page


def select(page, label: str):
    return next(box for box in page.selectbox if box.label == label)


def captions(page) -> str:
    under_pictures = [element.proto.body for element in page.main.get("html")]
    shown = " ".join([caption.value for caption in page.caption] + under_pictures)
    return shown.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def played(monkeypatch) -> list[torch.Tensor | None]:
    """The visitor's picture of every step the client took, None where it was the dataset's."""
    pictures: list[torch.Tensor | None] = []

    def step_of(network, images, scenario, classes, own_image=None):
        # The gallery plays its own scenarios beside the visitor's, and so do the prices of the defences.
        if card_of(scenario) is None and replace(scenario, defences="") != PRICED:
            pictures.append(own_image)
        return play_client(network, images, scenario, classes, own_image)

    monkeypatch.setattr(scene, "play_client", step_of)
    return pictures


def is_own(image: torch.Tensor | None, seed: int = 0) -> bool:
    return image is not None and torch.equal(image, read_image(picture(seed), image.shape[-1]))


def test_a_photo_is_kept_as_large_as_every_network_needs_it_and_no_larger():
    assert all(torch.equal(image, read_image(picture(), size)) for size, image in PHOTO.images.items())
    assert sum(image.nbytes for image in PHOTO.images.values()) < 700_000


def test_the_photo_goes_to_every_page_and_back(with_upload, played):
    page = with_upload(picture())
    assert is_own(played[-1])
    assert query(page) == {"photo": "yes", "v": "1"}  # that there is one, and nothing of it
    assert "a reload forgets it" in captions(page)
    assert "“your photo” 91 %" in captions(page)
    for place in (FAILURES, PROTECTION, GALLERY, LAB):
        go(page, place)
        assert query(page) == {"photo": "yes", "v": "1"}
        if place != GALLERY:
            assert "a reload forgets it" in captions(page)
            assert select(page, "What does it show?").value == -1
        assert not page.warning
    assert "“your photo” 91 %" in captions(page)
    assert all(is_own(image) for image in played[1:])
    # The failures are those of the photo, too: another network is attacked with it, at its own image size.
    select(page, "Architecture").set_value("lenet_sigmoid").run()
    go(page, FAILURES)
    assert is_own(played[-1])


def test_nothing_of_it_is_shared_with_another_tab(with_upload, played, monkeypatch):
    with_upload(picture(seed=1))
    assert sum(is_own(image, seed=1) for image in played) == 1
    monkeypatch.setattr(cache_resource_api, "get_session_id_or_throw", lambda: "another tab")
    steps = len(played)
    with_upload(picture(seed=1))  # even the same photo is played again, while the dataset's picture is remembered
    assert [is_own(image, seed=1) for image in played[steps:]] == [True]


def test_an_address_that_asks_for_a_photo_says_that_there_is_none(lab):
    page = lab(photo="yes", **{"class": "3"})
    assert [warning.value for warning in page.warning] == [PHOTO_LOST]
    assert query(page) == {}
    assert "“astronaut” 91 %" in captions(page)  # the class was the photo's
    page.run()
    assert [warning.value for warning in page.warning] == [PHOTO_LOST]  # until something changes
    go(page, GALLERY)
    gallery = lab(photo="yes")
    assert [warning.value for warning in go(gallery, GALLERY).warning] == [PHOTO_LOST]


def test_it_is_asked_for_its_class_and_the_class_goes_with_the_photo(with_upload):
    page = with_upload(picture())
    assert "Class" not in [box.label for box in page.selectbox]
    select(page, "What does it show?").set_value(2).run()
    assert "“coffee” 91 %" in captions(page)
    assert query(page) == {"photo": "yes", "class": "2", "v": "1"}
    go(page, FAILURES)
    assert select(page, "What does it show?").value == 2
    page.segmented_control[0].set_value("dataset").run()
    assert query(page) == {}  # neither the photo nor its class
    assert select(page, "Class").value == -1


def test_the_photo_rests_while_the_datasets_pictures_are_shown(with_upload, numbers):
    page = with_upload(picture())
    own = numbers(page)["PSNR"]
    page.segmented_control[0].set_value("dataset").run()
    assert "“astronaut”" in captions(page)
    page.segmented_control[0].set_value("upload").run()
    assert "“your photo”" in captions(page)
    assert numbers(page)["PSNR"] == own
    next(button for button in page.button if button.label == "Choose another").click().run()
    assert page.session_state["own photo"] is None
    assert "“astronaut”" in captions(page)
    assert len(page.file_uploader) == 1


def test_a_file_that_is_no_picture_takes_the_photo_away_and_says_so(with_upload):
    page = with_upload(picture())
    page.file_uploader[0].upload("own.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300))
    page.run()
    assert "got a HEIC photo" in page.warning[0].value
    assert page.warning[0].value.endswith("; until then the page shows the dataset's picture.")
    assert query(page) == {}
    page.file_uploader[0].upload("own.png", picture())
    page.run()
    assert not page.warning
    assert query(page) == {"photo": "yes", "v": "1"}


@pytest.mark.parametrize(
    "url", [None, "http://school.example:8501/?v=1", "http://10.0.0.7:8501/", "http://localhost.x/"]
)
def test_where_a_picture_goes_is_said_as_it_is(url):
    assert privacy(url) == (
        "A picture of your own goes to the computer that serves this page. There it is cut to a square and made small, "
        "stays in memory for this tab, and is neither stored nor sent on."
    )


@pytest.mark.parametrize("url", ["http://localhost:8501/", "http://127.0.0.1:8501/failures?v=1", "http://[::1]:8501/"])
def test_an_address_of_this_very_computer_is_recognised(url):
    assert privacy(url).startswith(privacy(None))
    assert privacy(url).endswith("By this page's address, that computer is your own.")


def step(**changes):
    scenario = Scenario(own_photo=True, **changes)
    return play(scenario, own_image(scenario, PHOTO)).client


def test_the_neutral_class_takes_the_place_of_one_that_nothing_else_shows():
    client = step()
    assert (client.target, client.class_names[:2]) == (0, ("your photo", "cat"))
    assert torch.equal(client.original, PHOTO.images[32])
    mixed = step(augmentation="mixup", partner=0)  # the partner is the astronaut, class 0
    assert (mixed.target, mixed.partner_target) == (1, 0)
    assert mixed.class_names[:3] == ("astronaut", "your photo", "coffee")
    several = step(samples=3, image=7)  # those that follow are the astronaut and the cat
    assert several.class_names[:3] == ("astronaut", "cat", "your photo")
    assert step(classes=3).class_names == ("your photo", "cat and others", "coffee and others")


def test_where_the_class_means_something_else_too_both_are_named():
    trained = step(dataset="digits", network="lenet_sigmoid", stage="mixup-epoch-80")
    assert trained.class_names[:2] == ("0 (your photo)", "1")
    crowded = step(classes=2, samples=3, image=0)
    assert crowded.class_names == ("astronaut and others (your photo)", "cat and others")


def test_a_class_that_was_named_keeps_its_name():
    client = step(target=2)
    assert (client.target, client.class_names[2]) == (2, "coffee")
    assert "your photo" not in step(augmentation="custom").class_names


def test_nothing_plays_another_picture_in_the_photos_place():
    with pytest.raises(OptionError, match="expected a photo of the visitor's own, as the scenario says, got none"):
        play(Scenario(own_photo=True))
    with pytest.raises(OptionError, match="expected the dataset's picture alone, as the scenario says, got one"):
        play(Scenario(), PHOTO.images[32])
    assert torch.equal(
        play(Scenario(), own_image(Scenario(), PHOTO)).client.original, load_dataset("photographs", 32)[0][0]
    )


def test_a_sweep_begins_with_the_photo():
    scenario = Scenario(own_photo=True, target=2, image=3)
    first, second = (repeat_scenario(scenario, repeat, 256) for repeat in (0, 1))
    assert (first.own_photo, first.target) == (True, 2)
    assert (second.own_photo, second.target, second.image) == (False, -1, 4)
    assert from_query(to_query(first), lambda _: ("untrained",)) == (first, [])  # a click opens it in the Lab

    sweep = Sweep((scenario,), 2, picture=True, photo=PHOTO)
    assert play_point(sweep, first, 0, 0).psnr > 80
    assert play_point(sweep, second, 0, 1).psnr > 80
    lost = play_point(Sweep((scenario,), 2, picture=True), first, 0, 0)
    assert lost.status == "failed"
    assert "got none" in lost.message


def test_the_sweep_on_the_page_plays_it(with_upload):
    page = go(with_upload(picture()), PROTECTION)
    assert "The first repeat plays your photo; each one after it takes the next picture" in captions(page)
    page.session_state["sweep_parameter"], page.session_state["sweep_repeats"] = "ratio", 3
    page.run()
    next(button for button in page.button if button.label == "Start").click().run()
    (job,) = page.session_state["background jobs"]._slots["sweep"].values()
    assert job.wait(60)
    assert len(job.reports) == 33
    assert [point.scenario.own_photo for point in job.reports] == [True] * 11 + [False] * 22
    assert {point.status for point in job.reports} == {"unique"}
