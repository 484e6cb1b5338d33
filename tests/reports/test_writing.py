from pathlib import Path

import pytest
from tests.reports.factory import LONG, make_report

from civicbench.core.errors import PartAbsentError
from civicbench.pages import stylesheet
from civicbench.reports.record import ReportRecord, record_report
from civicbench.reports.report import Report
from civicbench.reports.writing import write_report


def test_the_files_stand_side_by_side(tmp_path: Path, two_models: Report) -> None:
    paths = write_report(tmp_path / "report", two_models)
    assert {path.name for path in (tmp_path / "report").iterdir()} == {
        "report.html", "report.md", "report.json", "forest.svg", "forest.png",
    }  # fmt: skip
    assert paths.forest_png is not None
    assert paths.forest_png.read_bytes().startswith(b"\x89PNG")
    assert "![Forest plot" in paths.markdown.read_text("utf-8")


def test_the_same_report_has_the_same_bytes(tmp_path: Path, two_models: Report) -> None:
    write_report(tmp_path / "a", two_models)
    write_report(tmp_path / "b", two_models)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_json_reads_back_as_what_was_written(tmp_path: Path, hostile_models: Report) -> None:
    paths = write_report(tmp_path, hostile_models)
    read = ReportRecord.model_validate_json(paths.json.read_text("utf-8"))
    assert read == record_report(hostile_models)
    assert [model.label for model in read.models] == [m.label for m in hostile_models.models]
    shown = [r.answer for m in read.models for r in m.suites["triage"].shown_items]
    assert LONG in shown


def test_a_plot_of_an_earlier_report_does_not_stay(tmp_path: Path, two_models: Report) -> None:
    write_report(tmp_path, two_models)
    paths = write_report(tmp_path, make_report(1, items=30))
    assert paths.forest_svg is None
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.md", "report.json"}


def test_without_the_stylesheet_nothing_is_written(
    tmp_path: Path, two_models: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stylesheet, "STYLESHEET", tmp_path / "none.css")
    with pytest.raises(PartAbsentError):
        write_report(tmp_path / "report", two_models)
    assert not (tmp_path / "report").exists()
