"""Sidebar, first part: where the picture comes from."""

import streamlit as st

from dashboard import cache
from dashboard.address import set_value, value_of, widget_key
from dashboard.components import image_strip
from dashboard.controls.photo import choose_photo, choose_source
from dashboard.state import DATASET_CHOICES
from gradinv_core.datasets import DATASETS, ImageDataset

__all__ = ["choose_dataset", "choose_picture", "open_dataset"]

_STRIP = 10


def choose_dataset() -> None:
    """Draw the dataset's menu."""
    st.selectbox(
        "Dataset",
        DATASET_CHOICES,
        key=widget_key("dataset"),
        format_func=_title,
        help="Where the client's pictures come from. Some are downloaded the first time they are used.",
    )


def _title(name: str) -> str:
    spec = DATASETS[name]
    return spec.title if spec.offline else f"{spec.title} (download)"


def open_dataset(size: int) -> ImageDataset:
    """The chosen dataset at this image size, with a progress bar while it downloads.

    Raises:
        GradientInversionError: it cannot be downloaded.
    """
    spec, place = DATASETS[value_of("dataset")], st.empty()

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
    first = value_of("image") // _STRIP * _STRIP
    sources, names = cache.thumbnails(value_of("dataset"), first, _STRIP)
    image_strip(
        sources,
        names,
        first=first,
        chosen=value_of("image"),
        key="image strip",
        label="Pictures",
        on_choose=lambda number: set_value("image", number),
    )
    st.number_input(
        "Picture number",
        0,
        len(images) - 1,
        step=1,
        key=widget_key("image"),
        help=f"0 to {len(images) - 1:,}. The strip above follows.",
    )
