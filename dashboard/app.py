"""Entry point of the page: navigation only. Start it with `gradinv`, or `streamlit run dashboard/app.py`."""

import sys
from pathlib import Path

import streamlit as st
import torch

# `streamlit run` puts this file's folder on the path; the packages live one level up.
if (root := str(Path(__file__).resolve().parent.parent)) not in sys.path:
    sys.path.insert(0, root)

from dashboard.background.crew import the_crew
from dashboard.background.visitors import seated
from dashboard.components import access_keeper, class_links, colour_keeper, history_keeper
from dashboard.layout.full_house import wait_for_a_seat
from dashboard.pages import PAGES
from dashboard.start.garbage import tidy_up

# Small networks beside a server: threads that fight for the same cores cost more than they bring.
torch.set_num_threads(1)

# The icon is a file: a named one would be fetched from the internet.
icon = str(Path(__file__).with_name("icon.png"))
st.set_page_config(page_title="One gradient, one picture", page_icon=icon, layout="wide")

pages = [st.Page(page.path, title=page.title, icon=page.icon, default=page is PAGES[0]) for page in PAGES]
page = st.navigation(pages, position="top")
with st.container(gap=None):  # these draw nothing, and must not leave a gap
    st.html(Path(__file__).with_name("page.css"))
    history_keeper()
    access_keeper()
    colour_keeper()
    class_links()
    if seated():
        page.run()
    else:
        wait_for_a_seat()

tidy_up()
the_crew().prepare()
