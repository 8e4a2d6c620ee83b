"""Sidebar, first part: where the picture comes from."""

import streamlit as st

from dashboard import cache
from dashboard.address import SCENARIO
from dashboard.components import image_strip
from dashboard.controls.photo import choose_photo, choose_source
from gradinv_core.datasets import DATASETS, ImageDataset
from gradinv_core.experiments.scenario import DATASET_CHOICES

__all__ = ["choose_dataset", "choose_picture", "open_dataset"]

_STRIP = 10


def choose_dataset() -> None:
    """Draw the dataset's menu."""
    st.selectbox(options=DATASET_CHOICES, format_func=_title, **SCENARIO.named("dataset"))


def _title(name: str) -> str:
    spec = DATASETS[name]
    return spec.title if spec.offline else f"{spec.title} (download)"


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
