"""Sidebar, first part: where the picture comes from."""

import streamlit as st

from dashboard import cache
from dashboard.address import SCENARIO, classroom
from dashboard.claims.plain_words import of_error
from dashboard.components import image_strip
from dashboard.controls.photo import choose_photo, choose_source
from gradinv_core.datasets import DATASETS, ImageDataset
from gradinv_core.errors import DatasetUnavailableError, GradientInversionError
from gradinv_core.experiments.scenario import DATASET_CHOICES, Scenario
from gradinv_core.networks import NETWORKS

__all__ = ["choose_dataset", "choose_picture", "download_refusal", "open_dataset", "stay_where_a_download_fails"]

_STRIP = 10
_OPENED, _REFUSAL = "dataset that opened", "download refused"


def choose_dataset() -> None:
    """Draw the dataset's menu."""
    st.selectbox(options=DATASET_CHOICES, format_func=_title, **SCENARIO.named("dataset"))


def _title(name: str) -> str:
    spec = DATASETS[name]
    return spec.title if spec.offline else f"{spec.title} (download)"


def stay_where_a_download_fails() -> None:
    """Go back to the dataset before where the chosen one cannot be downloaded; call it before the menu is drawn.

    A class whose teacher is offline keeps its lesson: one sentence instead of a page that is empty.
    """
    try:
        open_dataset(NETWORKS[SCENARIO.get("network")].image_size)
    except DatasetUnavailableError as error:
        kept = st.session_state.get(_OPENED, Scenario.dataset)
        SCENARIO.set("dataset", kept)
        sentence = f"{of_error(error)} Until then the page stays with “{DATASETS[kept].title}”."
        st.session_state[_REFUSAL] = SCENARIO.current(), sentence
    except GradientInversionError:
        return  # raised again where the picture is chosen, below a menu that leads elsewhere
    else:
        st.session_state[_OPENED] = SCENARIO.get("dataset")


def download_refusal() -> list[str]:
    """What to say of the last download that failed, until the visitor changes something."""
    scenario, sentence = st.session_state.get(_REFUSAL, (None, ""))
    return [sentence] if scenario == SCENARIO.current() else []


def open_dataset(size: int) -> ImageDataset:
    """The chosen dataset at this image size, with a progress bar while it downloads.

    Raises:
        GradientInversionError: it cannot be downloaded.
    """
    spec, place = DATASETS[SCENARIO.get("dataset")], st.empty()

    def progress(share: float) -> None:
        place.progress(share, text=f"Downloading {spec.title} …")

    try:
        return cache.dataset(spec.name, size, None if spec.offline else progress)
    finally:
        place.empty()


def choose_picture(images: ImageDataset) -> None:
    """Draw the strip of pictures, or the ways to bring one's own."""
    origin = choose_source()
    if origin is None:
        _choose_from_strip(images)
    else:
        choose_photo(origin, images.class_names)


def _choose_from_strip(images: ImageDataset) -> None:
    if not classroom().locked:
        first = SCENARIO.get("image") // _STRIP * _STRIP
        sources, names = cache.thumbnails(SCENARIO.get("dataset"), first, _STRIP)
        image_strip(
            sources,
            names,
            first=first,
            chosen=SCENARIO.get("image"),
            key="image strip",
            label="Pictures",
            on_choose=lambda number: SCENARIO.set("image", number),
        )
    last = len(images) - 1
    explanation = f"0 to {last:,}. The strip above follows."
    st.number_input(min_value=0, max_value=last, step=1, **SCENARIO.named("image", explanation))
