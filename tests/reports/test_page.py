"""The report as HTML and Markdown, as a browser and a Markdown reader take it."""

import dataclasses
import re
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt
from tests.pages.page import Page
from tests.reports.factory import LONG, SAFETY, TRIAGE, compare, make_report

from civicbench.core.digests import digest_text
from civicbench.core.errors import InvalidInputError
from civicbench.pages.document import Details, Table, Words
from civicbench.pages.html import render_page
from civicbench.pages.markdown import render_document
from civicbench.reports.changes import LONGEST_SHOWN
from civicbench.reports.composition import compose_report
from civicbench.reports.differences import difference_cell
from civicbench.reports.report import Report
from civicbench.reports.summary import count_verdicts

_SECTIONS = [
    "summary", "differences", "suite-1", "suite-2", "slices", "changes", "worst", "judges",
    "noise", "prompts", "speed", "provenance",
]  # fmt: skip


def page_of(report: Report) -> Page:
    return Page.read(render_page(compose_report(report)))


@pytest.fixture(scope="module")
def page(two_models: Report) -> Page:
    return page_of(two_models)


@pytest.fixture(scope="module")
def hostile_html(hostile_models: Report) -> str:
    return render_page(compose_report(hostile_models))


@pytest.mark.parametrize("models", [1, 2, 3])
def test_a_report_of_any_number_of_models_has_its_parts_in_order(models: int) -> None:
    document = compose_report(make_report(models, hostile=False, items=30))
    names = [section.name for section in document.sections]
    compared = {"differences", "changes"}
    assert names == [name for name in _SECTIONS if models > 1 or name not in compared]


def test_no_script_and_no_address_elsewhere(hostile_html: str) -> None:
    html = hostile_html
    page = Page.read(html)
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "link", "img", "iframe", "object", "form", "image"})
    for _, attributes in page.elements:
        assert not {"src", "srcset", "action", "onclick", "onerror"} & set(attributes)
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
    assert not re.search(r"@import|@font-face|url\((?!#)", html)
    assert not re.search("[\x00\x1b\u202e\u200b]", html)


def test_hostile_text_adds_no_markup() -> None:
    clean, hostile = make_report(2, hostile=False, items=30), make_report(2, items=30)
    # The same answers with other texts: only what a label says differs.
    renamed = dataclasses.replace(
        clean,
        title=hostile.title,
        caption=hostile.caption,
        command=hostile.command,
        suites=hostile.suites,
        models=tuple(
            dataclasses.replace(model, label=other.label)
            for model, other in zip(clean.models, hostile.models, strict=True)
        ),
        comparisons={hostile.models[1].label: clean.comparisons[clean.models[1].label]},
    )
    shapes = [
        # A long label takes more lines in a picture.
        [entry for entry in page_of(report).shape() if entry[0] not in {"text", "g"}]
        for report in (clean, renamed)
    ]
    outside = [[e for e in shape if e[0] not in {"path", "use", "defs"}] for shape in shapes]
    assert outside[0] == outside[1]
    assert "{{ 7*7 }}" in page_of(hostile).text()


def test_headings_are_in_order_and_every_id_is_its_own(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))
    assert page.named("html")[0]["lang"] == "en"
    assert any("govuk-skip-link" in (a.get("class") or "") for a in page.named("a"))


def test_tables_have_captions_and_scopes_and_pictures_say_what_they_show(page: Page) -> None:
    assert len(page.named("table")) == len(page.named("caption")) > 10
    assert all(header["scope"] in ("col", "row") for header in page.named("th"))
    pictures = page.named("svg")
    assert len(pictures) == 3  # headlines, and two measures by area
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert page.named("details")


def test_the_summary_counts_verdicts_in_a_sentence(two_models: Report) -> None:
    [other] = two_models.others
    said = count_verdicts(two_models, other)
    counted = [c.verdict for c in two_models.comparisons[other.label] if c.headline]
    assert said.startswith(f"Of {len(counted)} headline measures, {other.label} is better than")
    assert f"on {counted.count('better') or 'none'}" in said
    assert said.count(".") == 1
    assert said in page_of(two_models).text()


def test_every_item_that_changed_stands_there_with_both_answers(two_models: Report) -> None:
    text = page_of(two_models).text()
    first, other = two_models.models
    records = {r.id: r for r in other.suites["triage"].items if r.task == "area"}
    changed = [
        (r, records[r.id])
        for r in first.suites["triage"].items
        if r.task == "area" and r.values != records[r.id].values
    ]
    assert len(changed) > 10
    for before, after in changed:
        side = "right" if before.values["accuracy"] else "wrong"
        found = re.search(
            rf"Item {before.id} {re.escape(re.sub(chr(92) + 's+', ' ', before.prompt))} "
            rf"Right answer {before.expected} base \({side}\) {before.answer} "
            rf"{other.label} \(\w+\) {after.answer}",
            text,
        )
        assert found, before.id


def test_losses_stand_before_gains(two_models: Report) -> None:
    text = page_of(two_models).text()
    for title in ("Right area of seventeen", "Area as written"):
        lost = text.index("lost with enquiry-triage:3: Enquiry triage: " + title)
        assert lost < text.index("gained with enquiry-triage:3: Enquiry triage: " + title)


def test_a_model_that_answers_as_the_first_is_called_out() -> None:
    report = make_report(2, hostile=False, items=30)
    [first, _] = report.models
    copy = dataclasses.replace(first, label="copy")
    same = dataclasses.replace(
        report, models=(first, copy), comparisons={"copy": compare(first, copy)}
    )
    text = page_of(same).text()
    assert "Warning copy gave the answers of base" in text
    # Where nothing differs, the same written answers are part of the alarm.
    assert "Enquiry triage: Area as written, Core of safety: Stereotype pairs" in text
    assert "Warning" not in page_of(report).text(of="main")


def test_the_same_written_answers_alone_are_no_alarm() -> None:
    report = make_report(2, hostile=False, items=30)
    first, other = report.models
    written = {r.id: r for r in first.suites["triage"].items if r.task == "written"}
    triage = other.suites["triage"]
    items = [written[r.id] if r.task == "written" else r for r in triage.items]
    suites = {**other.suites, "triage": dataclasses.replace(triage, items=items)}
    other = dataclasses.replace(other, suites=suites)
    same = dataclasses.replace(
        report, models=(first, other), comparisons={other.label: compare(first, other)}
    )
    text = page_of(same).text(of="main")
    assert f"{other.label} wrote the same text as base on every item of" in text
    assert "Warning" not in text


def test_of_several_models_the_reference_is_named() -> None:
    text = page_of(make_report(3, hostile=False, items=30)).text()
    assert "another-model:1 are each compared with base" in text
    assert "base is the reference" in text


def test_a_difference_where_half_is_ideal_says_which_way_it_went() -> None:
    report = make_report(3, hostile=False, items=60)
    for model in report.others:
        [pairs] = [c for c in report.comparisons[model.label] if c.better == "half"]
        way = "nearer to" if pairs.difference.value > 0 else "further from"
        cell = difference_cell(pairs, pairs.difference)
        assert cell[-1] == Words(f"{way} 50%", "hint")
    [area, *_] = report.comparisons[report.others[0].label]
    assert len(difference_cell(area, area.difference)) == 2


def test_what_is_the_same_for_all_models_stands_once_in_the_provenance(page: Page) -> None:
    text = page.text()
    weights = digest_text("weights")
    assert text.count(weights) == 2  # once a suite
    assert f"{weights} enquiry-triage:3 the same" in text


def test_one_model_s_measures_beside_the_headlines_are_folded_away() -> None:
    [slices] = [
        section
        for section in compose_report(make_report(1, hostile=False, items=30)).sections
        if section.name == "slices"
    ]
    open_tables = [block.caption for block in slices.blocks if isinstance(block, Table)]
    folded = [block.summary for block in slices.blocks if isinstance(block, Details)]
    assert any("Right area of seventeen, by area" in caption for caption in open_tables)
    assert not any("well formed" in caption for caption in open_tables)
    assert any("well formed" in summary for summary in folded)


def test_flags_are_counted_in_the_summary(hostile_models: Report, hostile_html: str) -> None:
    text = Page.read(hostile_html).text()
    count = hostile_models.first.suites["triage"].result.flags["cut by the token limit"]
    assert count > 0
    assert f"What cut by the token limit Items {count}" in text


def test_a_long_answer_is_cut_with_a_note_of_how_much(hostile_html: str) -> None:
    html = hostile_html
    assert LONG not in html
    left_off = len(LONG) - LONGEST_SHOWN
    assert f"cut for display: {left_off:,} more characters, whole in report.json" in html


def test_tokens_stand_in_boxes_and_control_tokens_are_told_apart(page: Page) -> None:
    bold = [b for b in page.named("b") if "page-token--control" in (b["class"] or "")]
    plain = [s for s in page.named("span") if s.get("class") == "page-token"]
    assert len(bold) > 5
    assert len(plain) > 20
    text = page.text()
    assert "␣sort" in text
    assert "↵" in text
    assert "⇥" in text


def test_where_lower_is_better_and_where_half_is_ideal_is_said(page: Page) -> None:
    text = page.text()
    assert "lower is better" in text
    assert "50% is the ideal" in text
    assert "Marked answer" in text
    assert "0 of 30; at most" in text


def test_judges_noise_and_digests(page: Page, two_models: Report) -> None:
    text = page.text()
    assert "compared by code" in text
    assert "2 of 60" in text
    result = two_models.first.suites["triage"].result
    for digest in (result.items_digest, result.prompt_proof_digest, result.template_digest):
        assert digest in text
    assert "civicbench evaluate enquiry-triage" in text
    assert TRIAGE.does_not_measure in text
    assert SAFETY.measures in text


def test_markdown_tables_keep_their_columns_whatever_is_said(hostile_models: Report) -> None:
    text = render_document(compose_report(hostile_models))
    lines = text.splitlines()
    heads = [n for n, line in enumerate(lines) if re.fullmatch(r"\|( --- \|)+", line)]
    assert len(heads) > 30
    for head in heads:
        columns = lines[head].count("|")
        rows = [lines[head - 1]]
        for line in lines[head + 1 :]:
            if not line.startswith("|"):
                break
            rows.append(line)
        assert all(row.count("|") == columns for row in rows)
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for part in token.children or ():
            assert part.type != "link_open"
            assert part.type != "image" or part.attrs["src"] == "forest.svg"
            assert "<script" not in (part.content if part.type == "html_inline" else "")


@pytest.mark.parametrize("spoil", ["no models", "one label twice", "no comparison"])
def test_a_report_that_does_not_hang_together_is_refused(two_models: Report, spoil: str) -> None:
    first, other = two_models.models
    changes = {
        "no models": {"models": (), "comparisons": {}},
        "one label twice": {"models": (first, dataclasses.replace(other, label=first.label))},
        "no comparison": {"comparisons": {}},
    }[spoil]
    with pytest.raises(InvalidInputError):
        dataclasses.replace(two_models, **changes)  # type: ignore[arg-type]
