"""Tables count what the rows say, and the same rows come back from every file they are written to."""

import csv
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from scipy.stats import binomtest

from gradinv_core.cli import main
from gradinv_core.errors import OptionError
from gradinv_core.experiments.scenario import Scenario
from gradinv_core.experiments.study.record import Record, read_record, write_parquet
from gradinv_core.experiments.study.report import compare, make_report, write_report
from gradinv_core.experiments.study.report.table import middle, share, wilson
from gradinv_core.experiments.study.report.write import as_html, as_markdown
from gradinv_core.experiments.study.rows import Rows, flat
from gradinv_core.experiments.study.shelf import find_studies
from gradinv_core.experiments.study.store import Row

TEXT = """
title = "Made up"
about = "Rows whose sums are known."
seeds = 2
solvers = ["ours", "paper", "idlg"]
rows = ["network"]
[[cells]]
network = ["fcn_small", "vit_small"]
"""


def answer(status="unique", error=1e-7, right=True, seconds=0.002):
    return {"status": status, "label_error": error, "right": right, "right_class": right, "seconds": seconds}


def row(number, network="fcn_small", identifiable=True, cause="none", **answers):
    outcome = {"classes": 10, "certainty": 0.2, "identifiable": identifiable, "cause": cause, **answers}
    scenario = Scenario(network=network, seed=number)
    return Row(f"key {number}", number, scenario, "c0de", "Python 3", "Linux", 0.5, outcome, "")


MADE_UP = Record(
    "made-up",
    False,
    TEXT,
    Rows.of(
        [
            row(0, ours=answer(), paper=answer("found", 0.3, False, 0.2), idlg=answer("found", right=True)),
            row(1, ours=answer(), paper=answer("gave up", None, False, 0.4), idlg=answer("found", right=False)),
            row(2, "vit_small", ours=answer(error=0.5, right=False), paper=answer("found", seconds=0.6)),
            row(
                3,
                "vit_small",
                False,
                "one-hot probability",
                ours=answer("ambiguous", 0.5, False),
                paper=answer("found"),
            ),
        ]
    ),
)


def test_a_label_table_counts_what_the_rows_say():
    labels, causes = make_report(MADE_UP).tables
    by_network = {line[0]: dict(zip(labels.columns, line, strict=True)) for line in labels.rows}
    assert list(by_network) == ["Fully connected, small", "Vision transformer, small", "all"]
    small, all_of_them = by_network["Fully connected, small"], by_network["all"]
    assert small["ours: right"].startswith("2 of 2 (34.2–100 %)")
    assert small["the paper's search: right"].startswith("0 of 2")
    assert small["the paper's search: silently wrong"] == "1"
    assert small["iDLG: right class"].startswith("1 of 2")
    assert small["ours: ms"] == "2"
    assert small["the paper's search: ms"] == "300"
    assert small["the paper's search: times slower"] == "150"
    assert all_of_them["samples"] == "4"
    assert all_of_them["identifiable"] == "3"
    assert all_of_them["ours: right"].startswith("2 of 3")
    assert all_of_them["ours: surely wrong"] == "1"
    assert [line[0] for line in causes.rows] == ["Nothing went wrong", "One-hot probability"]


def test_two_studies_stand_side_by_side_where_they_played_the_same():
    other = replace(MADE_UP, rows=MADE_UP.rows[:1])
    table = compare(MADE_UP, other, ["network"], ("first", "second"))
    assert [line[0] for line in table.rows] == ["Fully connected, small", "all"]
    line = dict(zip(table.columns, table.rows[0], strict=True))
    assert line["ours: right (first)"].startswith("2 of 2")
    assert line["ours: right (second)"].startswith("1 of 1")
    pictures = replace(
        other, text=TEXT.replace('solvers = ["ours", "paper", "idlg"]', 'kind = "picture"'), rows=MADE_UP.rows[:0]
    )
    assert compare(MADE_UP, pictures, ["network"], ("first", "second")).rows == ()


def test_studies_are_found_by_their_titles(small, tmp_path):
    shipped = set(find_studies())
    assert {"Soft labels of every format from one gradient"} < shipped
    assert any(title.endswith(" (quick form)") for title in shipped)
    assert set(find_studies(tmp_path / "absent")) == shipped
    small.begin(tmp_path / "mine").close()
    for name in ("made-up", "once-more"):
        write_parquet(MADE_UP, tmp_path / f"{name}.parquet")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    own = find_studies(tmp_path)
    assert {name: own[name] for name in own.keys() - shipped} == {
        "Small (own)": tmp_path / "mine",
        "Made up (own)": tmp_path / "made-up.parquet",
        "Made up, once-more (own)": tmp_path / "once-more.parquet",
        "torn (own)": tmp_path / "torn.parquet",
    }
    assert find_studies(tmp_path / "mine")["Small (own)"] == tmp_path / "mine"


def test_facts_say_what_was_played_and_how_to_play_it_again():
    facts = make_report(replace(MADE_UP, rows=MADE_UP.rows[:3], older=7, quick=False)).facts
    assert facts[0] == "3 of 4 samples are played."
    assert facts[1].startswith("7 rows of other versions")
    assert facts[-1] == "Play it again: gradinv experiment run made-up.toml"


def test_what_could_not_be_played_is_counted_by_its_sentence():
    broken = replace(MADE_UP.rows[0], outcome={}, error="OptionError: no")
    table = make_report(replace(MADE_UP, rows=Rows.of([*MADE_UP.rows[1:], broken]))).tables[-1]
    assert table.rows == (("OptionError: no", "1"),)


def test_a_study_without_rows_is_a_report_too():
    report = make_report(replace(MADE_UP, rows=MADE_UP.rows[:0]))
    assert report.facts[0] == "0 of 4 samples are played."
    assert "0 of 4" in as_markdown(report)


@pytest.mark.parametrize(("count", "tried"), [(0, 7), (8, 10), (7, 7), (16_436, 16_440)])
def test_wilson_s_interval_is_scipy_s(count, tried):
    interval = binomtest(count, tried).proportion_ci(0.95, method="wilson")
    assert wilson(count, tried) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_shares_and_medians_are_short_texts():
    assert share(0, 0) == "-"
    assert middle([]) == "-"
    assert middle([1234.0, float("nan"), 1260.0]) == "1,200"


def test_columns_hold_what_the_rows_hold():
    rows = MADE_UP.rows
    assert [flat(row) for row in Rows.of(rows)] == [flat(row) for row in rows]
    assert rows[-1].outcome["ours"]["status"] == "ambiguous"
    assert rows.flags("idlg.right").tolist() == [True, False, False, False]
    assert rows.has("idlg.right").tolist() == [True, True, False, False]
    assert rows.numbers("paper.label_error").tolist()[1:] == [pytest.approx(float("nan"), nan_ok=True), 1e-7, 1e-7]
    fewer = rows.where(rows.flags("identifiable"))[1:]
    assert [row.number for row in fewer] == fewer.column("number").tolist() == [1, 2]
    assert rows.column("scenario.samples").tolist() == [1] * 4
    older = Rows({name: rows.column(name) for name in rows.names if name != "scenario.samples"})
    assert older == rows  # a study from before the field was there


def test_html_is_one_file_that_is_closed_and_escaped():
    text = as_html(make_report(replace(MADE_UP, text=TEXT.replace("Made up", "Made <up>"))))

    class Reader(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open_tags, self.cells = [], 0

        def handle_starttag(self, tag, attrs):
            assert not any(name in ("src", "href") for name, _ in attrs)
            assert tag not in ("script", "link", "img", "iframe")
            if tag != "meta":
                self.open_tags.append(tag)
            self.cells += tag == "td"

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    reader = Reader()
    reader.feed(text)
    assert not reader.open_tags
    assert reader.cells > 20
    assert "Made &lt;up&gt;" in text


def test_rows_come_back_from_parquet_and_stand_in_the_csv(tmp_path):
    write_parquet(MADE_UP, tmp_path / "made-up.parquet")
    assert read_record(tmp_path / "made-up.parquet") == MADE_UP
    written = write_report(tmp_path / "made-up.parquet")
    assert [path.name for path in written] == ["made-up-report.md", "made-up-report.html", "made-up-samples.csv"]
    with written[-1].open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["ours.status"] for line in lines] == ["unique", "unique", "unique", "ambiguous"]
    assert lines[2]["scenario.network"] == "vit_small"


def test_a_file_that_is_no_study_is_said(tmp_path):
    (tmp_path / "other.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    with pytest.raises(OptionError, match=r"expected a Parquet file of a study, got other\.parquet"):
        read_record(tmp_path / "other.parquet")


def test_the_command_line_plays_reports_resumes_and_lists(small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(small.text.replace('kind = "label"', ""), encoding="utf-8")
    assert main(["experiment", "run", "small.toml", "--quick"]) == 0
    said = capsys.readouterr().out
    assert "8 samples in 8 cells" in said
    assert "8 samples played" in said
    assert "wrote studies/small-quick/report.html" in said
    assert main(["experiment", "resume", "studies/small-quick"]) == 0
    assert "8 of them are there already." in capsys.readouterr().out
    table = (tmp_path / "studies" / "small-quick" / "report.md").read_text(encoding="utf-8")
    assert "| all |" in table
    assert "bias-based: right" in table
    assert main(["experiment", "list"]) == 0
    assert "paper-labels" in capsys.readouterr().out
    assert main(["experiment", "run", "nothing"]) == 2
    assert main(["experiment", "report", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_pictures_are_a_study_as_well(tmp_path, capsys):
    text = 'kind = "picture"\nsolvers = ["ours", "matching_hard"]\niterations = 2\n[[cells]]\nnetwork = "fcn_small"\n'
    (tmp_path / "pictures.toml").write_text(text, encoding="utf-8")
    assert main(["experiment", "run", str(tmp_path / "pictures.toml"), "--out", str(tmp_path / "out")]) == 0
    (entry,) = read_record(tmp_path / "out").rows
    assert entry.error == ""
    assert entry.outcome["ours"]["psnr"] > 60
    assert entry.outcome["matching_hard"]["recognised"] is False
    capsys.readouterr()
    assert "| ours: dB |" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
