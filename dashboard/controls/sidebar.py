"""The sidebar: one place for everything a teacher can change, in the order picture, network, label, training step."""

from dataclasses import dataclass, replace

import streamlit as st
import torch

from dashboard import cache
from dashboard.address import SCENARIO, adopt, publish
from dashboard.background.tab import session_photo
from dashboard.controls.label import choose_label
from dashboard.controls.network import choose_network
from dashboard.controls.photo import photo_refusal
from dashboard.controls.picture import (
    choose_dataset,
    choose_picture,
    download_refusal,
    open_dataset,
    stay_where_a_download_fails,
)
from dashboard.controls.training_step import choose_defences, choose_step
from dashboard.pages import Page
from gradinv_core.datasets import ImageDataset
from gradinv_core.errors import GradientInversionError
from gradinv_core.experiments.client.own_photo import OwnPhoto, own_image
from gradinv_core.experiments.scenario import OWN_CLASS, Scenario
from gradinv_core.experiments.typed_label import DEFAULT_SHARES, share_label
from gradinv_core.networks import NETWORKS

__all__ = ["Choice", "choose_scenario"]


@dataclass(frozen=True)
class Choice:
    """What the visitor chose.

    Attributes:
        scenario: everything the address can hold; a label of the visitor's own that is none has become the default.
        images: the dataset, at the network's image size.
        own_photo: a picture of the visitor's own that takes the dataset's place, None without; it stays out of the
            address.
        sentences: what to say about wishes that made no sense.
    """

    scenario: Scenario
    images: ImageDataset
    own_photo: OwnPhoto | None
    sentences: list[str]

    @property
    def own_image(self) -> torch.Tensor | None:
        """(3, h, w) that picture, at the network's image size."""
        return own_image(self.scenario, self.own_photo)


def choose_scenario(page: Page) -> Choice:
    """Draw the sidebar and keep the address in step with it.

    Args:
        page: that is drawn; all of them share one scenario.

    Raises:
        GradientInversionError: the dataset cannot be opened, for another reason than a download that does not work.
    """
    sentences = adopt(cache.network_stages, page.name, photo_here=session_photo() is not None)
    with st.sidebar:
        st.subheader("The picture")
        menu_place = st.container()
        # The network decides how large a picture is: its controls come first in time, the picture's first on the page.
        picture_place = st.container()
        with picture_place:
            stay_where_a_download_fails()
        with menu_place:
            choose_dataset()
        st.subheader("The network")
        choose_network()
        size = NETWORKS[SCENARIO.get("network")].image_size
        try:
            with picture_place:
                images = open_dataset(size)
                sentences += _keep_in_range(images)
                choose_picture(images)
            st.subheader("The label")
            choose_label(images)
            st.subheader("The training step")
            choose_step(batch_norm=NETWORKS[SCENARIO.get("network")].has_batch_norm)
            choose_defences()
        except GradientInversionError:
            publish()
            raise
    scenario, complaints = _with_a_label(publish())
    photo = session_photo() if scenario.own_photo else None
    return Choice(scenario, images, photo, sentences + complaints + photo_refusal() + download_refusal())


def _with_a_label(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """Use the default where the shares are no label; the text stays in its place, to be put right."""
    if scenario.augmentation != "custom":
        return scenario, []
    try:
        share_label(scenario.shares, cache.class_count(scenario))
    except ValueError as error:
        return replace(scenario, shares=DEFAULT_SHARES), [f"{error}; the page goes on with {DEFAULT_SHARES}."]
    return scenario, []


def _keep_in_range(images: ImageDataset) -> list[str]:
    """Pull indices back into the dataset; say so, because an address may have asked for them."""
    sentences = []
    for field, default in (("image", Scenario.image), ("partner", Scenario.partner)):
        if SCENARIO.get(field) >= len(images):
            asked = f"There is no image {SCENARIO.get(field):,} among the {len(images):,} of this dataset"
            sentences.append(f"{asked}; the page shows {default}.")
            SCENARIO.set(field, default)
    target = SCENARIO.get("target")
    if target >= len(images.class_names):
        sentences.append(f"There is no class {target} in this dataset; the page uses the picture's own.")
        SCENARIO.set("target", OWN_CLASS)
    return sentences
