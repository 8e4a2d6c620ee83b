"""The page of experiments: stored studies are read, narrowed down, compared, and lead to the Lab."""

from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from dashboard.sections.experiments import samples
from gradinv_core.checkpoints import available_stages
from gradinv_core.experiments.scenario import Scenario, from_query
from gradinv_core.experiments.study.record import read_record, write_parquet
from gradinv_core.experiments.study.shelf import find_studies


@pytest.fixture
def page(lab):
    return lab("app_pages/experiments.py")


def menu(page, label):
    (found,) = [one for one in (*page.selectbox, *page.get("button_group")) if one.label == label]
    return found


def test_the_shipped_study_is_shown_with_its_tables_and_samples(page):
    record = read_record(next(iter(find_studies().values())))
    assert record.specification.title in page.header[0].value
    labels, causes, listed = page.dataframe
    assert labels.value.iloc[-1]["samples"] == f"{len(record.rows):,}"
    assert labels.value.iloc[-1]["ours: surely wrong"] == "0"
    assert list(causes.value.columns) == ["cause", "what would help the attacker", "samples"]
    assert len(listed.value) == min(len(record.rows), 500)


def test_the_sum_stands_above_the_table(page, numbers):
    told = numbers(page)
    assert told["ours: surely wrong"] == "0"
    assert set(told) >= {"ours: right", "the paper's search: right", "the paper's search: times slower"}
    rows = menu(page, "A row of the table for every")
    page = rows.set_value(["network", "classes"]).run()
    assert list(page.dataframe[0].value.columns)[:2] == ["network", "classes"]


def test_a_study_is_narrowed_down(page):
    menu(page, "Network").set_value("LeNet, sigmoid")
    page = menu(page, "Label").set_value("mixup").run()
    table = page.dataframe[0].value
    assert set(table["network"]) == {"LeNet, sigmoid", "all"}
    assert set(page.dataframe[2].value["label"]) == {"mixup"}
    page = menu(page, "Outcome").set_value("ours surely wrong").run()
    assert not page.exception
    assert "No row is left" in page.info[0].value


def test_two_studies_stand_side_by_side(page):
    beside = menu(page, "Compare with")
    page = beside.set_value(beside.options[1]).run()
    assert not page.exception
    assert [name.value for name in page.subheader][2] == "Side by side"
    page = menu(page, "Label").set_value("hard").run()  # narrows both: the other has no hard labels
    assert "The two studies have no row in common." in [info.value for info in page.info]


def test_a_study_of_the_owner_s_is_on_the_shelf(lab, monkeypatch, tmp_path):
    study = read_record(next(iter(find_studies().values())))
    write_parquet(replace(study, rows=study.rows[:9]), tmp_path / "own.parquet")
    monkeypatch.setenv("GRADINV_STUDIES", str(tmp_path))
    title = f"{study.specification.title} (own)"
    page = menu(lab("app_pages/experiments.py"), "Study").set_value(title).run()
    assert not page.exception
    assert page.dataframe[0].value.iloc[-1]["samples"] == "9"
    (tmp_path / "own.parquet").write_bytes(b"no longer a study")
    page = menu(page.run(), "Study").set_value("own (own)").run()  # its title went with it
    assert "That study cannot be read" in page.error[0].value


def test_a_chosen_sample_leads_to_the_lab_with_exactly_what_was_played(lab, monkeypatch):
    row = read_record(next(iter(find_studies().values()))).rows[2]
    monkeypatch.setattr(samples, "_selected", lambda _: [2])
    page = lab("app_pages/experiments.py")
    (link,) = [one.proto for one in page.main.get("page_link")]
    assert link.label == "Open it in the Lab"
    query = dict(parse_qsl(link.query_string))
    assert from_query(query, available_stages) == (row.scenario, [])
    assert f"Sample {row.number}" in "".join(text.value for text in page.markdown)


def test_what_an_address_cannot_hold_has_no_link_to_the_lab(lab, monkeypatch):
    for elsewhere in ({"stage": "runs/mine.safetensors#1a2b"}, {"dataset": "folder:fruit"}, {"stage": "imagenet"}):
        assert not samples.on_this_page(Scenario(**elsewhere))
    monkeypatch.setattr(samples, "_selected", lambda _: [2])
    monkeypatch.setattr(samples, "on_this_page", lambda _: False)
    page = lab("app_pages/experiments.py")
    assert not page.main.get("page_link")
    assert samples.ELSEWHERE in [caption.value for caption in page.caption]
