"""The ATRS record's files: each field once, nothing run as a formula, a form that comes back."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.factory import make_evidence

from civicbench.cards.atrs import read_atrs_form, render_atrs_csv, render_atrs_form, write_atrs
from civicbench.core.errors import InvalidInputError
from civicbench.registry.atrs.fields import FIELDS
from civicbench.registry.atrs.record import AtrsRecord, make_record

HOSTILE = st.text(min_size=1, max_size=30)


def record_with(texts: dict[str, str]) -> AtrsRecord:
    evidence, _ = make_evidence(1)
    record = make_record(evidence, number=1, edits=())
    values = tuple(
        value.model_copy(update={"text": texts[value.key], "status": "person"})
        if value.key in texts
        else value
        for value in record.values
    )
    return record.model_copy(update={"values": values})


def test_every_field_stands_once_in_every_file(tmp_path: Path) -> None:
    paths = write_atrs(tmp_path, record_with({}))
    rows = list(csv.DictReader(io.StringIO(paths.csv.read_text("utf-8"))))
    assert [row["key"] for row in rows] == [field.key for field in FIELDS]
    markdown, page = paths.markdown.read_text("utf-8"), paths.html.read_text("utf-8")
    for field in FIELDS:
        assert f"{field.number} {field.title}".strip() in markdown
        assert field.title.replace("'", "&#39;") in page
    assert "to be written" in page
    assert "Not to be published as it is" in page


@pytest.mark.parametrize("text", [
    '=HYPERLINK("http://x.example","y")', "+1", "-2+3", "@SUM(A1)", "\t=1", "\n=1", " =1",
    "\u00a0=1", "＝1", "  @x",
])  # fmt: skip
def test_no_text_is_taken_for_a_formula(text: str) -> None:
    row = next(
        row
        for row in csv.DictReader(io.StringIO(render_atrs_csv(record_with({"team": text}))))
        if row["key"] == "team"
    )
    assert row["text"].startswith("'")


@given(HOSTILE)
def test_whatever_stands_in_a_field_no_cell_begins_like_a_formula(text: str) -> None:
    rows = list(csv.reader(io.StringIO(render_atrs_csv(record_with({"team": text})), newline="")))
    assert len(rows) == len(FIELDS) + 1
    for row in rows:
        for cell in row:
            assert not cell.strip().startswith(("=", "+", "-", "@"))


def test_markup_in_a_field_stays_text(tmp_path: Path) -> None:
    paths = write_atrs(tmp_path, record_with({"team": "<script>alert(1)</script>| **x**"}))
    assert "<script>alert" not in paths.html.read_text("utf-8")
    assert "<script>" not in paths.markdown.read_text("utf-8")


def test_a_form_comes_back_as_it_was_written(tmp_path: Path) -> None:
    texts = {"team": "A: team\nof two lines", "companies_house_number": "01234567",
             "third_party_involvement": "no", "contact_email": "a@example.org"}  # fmt: skip
    form = tmp_path / "atrs.yaml"
    form.write_text(render_atrs_form(record_with(texts)), "utf-8")
    assert read_atrs_form(form) == texts


def test_a_form_is_read_as_text_alone(tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    form.write_text("third_party_involvement: no\ncompanies_house_number: 01234567\nteam:\n")
    assert read_atrs_form(form) == {
        "third_party_involvement": "no",
        "companies_house_number": "01234567",
    }
    form.write_text("")
    assert read_atrs_form(form) == {}


@pytest.mark.parametrize(
    "text", ["- a", "team: [1]", "team: {a: b}", "team: a\nteam: b", "a: :b: c"]
)
def test_a_bad_form_is_refused(tmp_path: Path, text: str) -> None:
    form = tmp_path / "form.yaml"
    form.write_text(text)
    with pytest.raises(InvalidInputError):
        read_atrs_form(form)
