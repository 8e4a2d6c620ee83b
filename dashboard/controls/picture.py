"""Sidebar, first part: where the picture comes from."""

import streamlit as st

from dashboard import cache
from dashboard.address import set_value, value_of, widget_key
from dashboard.components import image_strip
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


def choose_picture(images: ImageDataset) -> bytes | None:
    """Draw the strip of pictures, or the ways to bring one's own.

    Returns:
        The file of a visitor's own picture, None when the dataset's picture is used.
    """
    source = st.segmented_control(
        "Source",
        ("dataset", "upload", "camera"),
        default="dataset",
        required=True,
        key="image source",
        help="A picture of your own is cut to a square, made small, and never leaves this computer.",
    )
    if source == "upload":
        # What a file is shows in its content, not in its name: anything may be offered, and is refused with a sentence.
        file = st.file_uploader(
            "Your picture", key="own upload", help="PNG, JPEG, WebP, BMP, GIF or TIFF, at most 20 MB."
        )
        return None if file is None else file.getvalue()
    if source == "camera":
        photograph = st.camera_input("Take a photograph", key="own camera")
        return None if photograph is None else photograph.getvalue()
    _choose_from_strip(images)
    return None


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
