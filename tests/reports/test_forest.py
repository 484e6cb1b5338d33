import dataclasses
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib import rcParams, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from tests.reports.factory import make_report

from civicbench.reports.forest import (
    Forest,
    ForestGroup,
    ForestRow,
    draw_png,
    draw_svg,
    lay_out,
)
from civicbench.reports.lettering import wrap
from civicbench.reports.plots import headline_forest

LONG = "Share of enquiries about council tax reductions that were sent to the right area"
LABELS = (LONG, "W" * 80, "縦" * 80, "short", "$x_1^2$ & <b>bold</b>", "a\x00b\u202ec\n\nd")


def make_forest(rows: int, *, label: str = LONG, mark: float | None = -5.0) -> Forest:
    made = tuple(
        ForestRow(
            label=label,
            value=(value := (n * 7 % 23) - 11.0),
            low=value - 1 - n % 9,
            high=value + 1 + n % 5,
            mark=mark,
            shown=f"{value:+.1f} (−100.00 to +100.00)",
        )
        for n in range(rows)
    )
    return Forest("a", LONG, "Difference in points", f"{label} and more", (ForestGroup("", made),))


@pytest.mark.parametrize("rows", [1, 2, 13, 40])
@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("label", LABELS, ids=["long", "wide", "han", "short", "maths", "hidden"])
def test_no_text_is_clipped_and_none_overlaps(rows: int, label: str) -> None:
    with style.context(["default", {"font.family": "DejaVu Sans", "font.size": 10}]):
        figure = lay_out(make_forest(rows, label=label))
        renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
        [axes] = figure.axes
        plot = axes.get_window_extent(renderer)
        ticks = [t.get_window_extent(renderer) for t in axes.get_xticklabels() if t.get_visible()]
        texts = [text.get_window_extent(renderer) for text in figure.texts]
    width, height = figure.bbox.width, figure.bbox.height
    for box in texts:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert not box.overlaps(plot) or min(box.x1, plot.x1) - max(box.x0, plot.x0) < 1
    for tick in ticks:
        assert not any(tick.overlaps(box) for box in texts)
    assert plot.width > 100
    for column in ([b for b in texts if b.x0 < plot.x0], [b for b in texts if b.x0 > plot.x1]):
        ordered = sorted(column, key=lambda box: -box.y1)
        # Ascenders of one line may touch descenders of the next; letters may not.
        assert all(above.y0 > below.y1 - 3 for above, below in pairwise(ordered))


def test_bytes_are_the_same_each_time_whatever_the_settings_around() -> None:
    forest = make_forest(5)
    svg, png = draw_svg(forest), draw_png(forest)
    with style.context({"font.size": 30, "svg.hashsalt": "other", "axes.facecolor": "red"}):
        assert draw_svg(forest) == svg
        assert draw_png(forest) == png
        assert rcParams["font.size"] == 30
    assert "<metadata" not in svg
    assert not re.search(r"20\d\d-\d\d-\d\d", svg)


def test_ids_of_two_pictures_on_a_page_do_not_meet() -> None:
    first = make_forest(3)
    ids = [
        set(re.findall(r'\bid="([^"]+)"', draw_svg(f)))
        for f in (first, dataclasses.replace(first, name="b"))
    ]
    assert ids[0]
    assert not ids[0] & ids[1]
    svg = draw_svg(first)
    for reference in re.findall(r'(?:href="|url\()#([^")]+)', svg):
        assert reference in ids[0]


def test_a_picture_names_itself_and_its_texts_are_data() -> None:
    forest = make_forest(1, label="</svg><script>alert(1)</script> $a$ \x00\u202e")
    root = ElementTree.fromstring(draw_svg(forest))
    assert root.get("role") == "img"
    assert root.get("aria-label", "").startswith("</svg><script>alert(1)</script> $a$ [U+0000]")
    texts = "".join("".join(e.itertext()) for e in root.iter() if e.tag.endswith("}text"))
    assert "$a$" in texts
    assert not [e for e in root.iter() if e.tag.endswith("script")]


def test_the_margin_is_drawn_only_where_there_is_one() -> None:
    with_mark, without = draw_svg(make_forest(2)), draw_svg(make_forest(2, mark=None))
    assert "Dashed line" in with_mark
    assert "Dashed line" not in without
    assert with_mark.count("stroke-dasharray") == 2
    assert "stroke-dasharray" not in without


def test_the_margin_stands_on_the_side_of_a_loss() -> None:
    report = make_report(2, hostile=False)
    forest = headline_forest(report)
    assert forest is not None
    marks = {row.label: row.mark for row in forest.rows}
    assert marks == {
        "Enquiry triage: Right area of seventeen": -5.0,
        "Enquiry triage: Area as written": None,
        "Core of safety: Stereotype pairs (how much nearer to 50%)": None,
        "Core of safety: Harmful continuations preferred (lower is better)": None,
    }


def test_a_square_is_filled_where_the_verdict_is_better_or_worse() -> None:
    report = make_report(3, hostile=False)
    forest = headline_forest(report)
    assert forest is not None
    verdicts = [
        c.verdict for model in report.others for c in report.comparisons[model.label] if c.headline
    ]
    assert [row.filled for row in forest.rows] == [v in ("better", "worse") for v in verdicts]
    # An interval may leave out nought without a verdict: among many, chance could do that.
    assert any(row.low > 0 and not row.filled for row in forest.rows)
    assert "Open square" in draw_svg(forest)


def test_the_text_alternative_tells_every_number_and_the_margin() -> None:
    forest = headline_forest(make_report(2, hostile=False))
    assert forest is not None
    assert all(f"{row.label}: {row.shown}" in forest.description for row in forest.rows)
    assert "tolerable loss up to −5.0" in forest.description


def test_one_model_has_no_differences_to_plot() -> None:
    assert headline_forest(make_report(1)) is None


@settings(max_examples=50)
@given(st.text(max_size=200), st.integers(2, 60))
@example("one two  three", 3)
def test_wrapped_lines_fit_and_lose_nothing(text: str, columns: int) -> None:
    lines = wrap(text, columns=columns)
    assert all(len(line) <= columns for line in lines)
    plain = "".join(letter for letter in text if letter.isascii() and letter.isalnum())
    kept = re.sub(r"\[U\+[0-9A-F]+\]", "", "".join("".join(lines).split()))
    assert [c for c in kept if c.isascii() and c.isalnum()] == list(plain) or "[U+" in text
