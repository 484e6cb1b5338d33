"""The report's files, side by side."""

from dataclasses import dataclass
from pathlib import Path

from civicbench.core.files import write_bytes_whole, write_text_whole
from civicbench.pages.html import render_page
from civicbench.pages.markdown import render_document
from civicbench.reports.composition import compose_report
from civicbench.reports.forest import draw_png, draw_svg
from civicbench.reports.plots import headline_forest
from civicbench.reports.record import record_report
from civicbench.reports.report import Report
from civicbench.reports.summary import FOREST_FILE

HTML_NAME = "report.html"
MARKDOWN_NAME = "report.md"
JSON_NAME = "report.json"
PNG_NAME = "forest.png"


@dataclass(frozen=True)
class ReportPaths:
    """Where a report's files stand.

    Attributes:
        html: The self-contained page.
        markdown: The same as Markdown.
        json: The same for programs, every shown answer whole.
        forest_svg: The forest plot; None where no model is compared.
        forest_png: The same as a picture of points.
    """

    html: Path
    markdown: Path
    json: Path
    forest_svg: Path | None
    forest_png: Path | None


def write_report(folder: Path, report: Report) -> ReportPaths:
    """Write a report's files; each is written whole or not at all, the page last.

    Everything is rendered before anything is written. A plot of an earlier report in the folder
    is removed where this one has none.

    Args:
        folder: Where to; made where absent.
        report: What it shows.

    Raises:
        PartAbsentError: The stylesheet was not built, or the folder may not be written to.
        DiskFullError: No space left.
    """
    document = compose_report(report)
    html, markdown = render_page(document), render_document(document)
    json = record_report(report).model_dump_json(indent=2) + "\n"
    forest = headline_forest(report)
    svg, png = folder / FOREST_FILE, folder / PNG_NAME
    if forest is None:
        svg.unlink(missing_ok=True)
        png.unlink(missing_ok=True)
    else:
        picture, points = draw_svg(forest), draw_png(forest)
        write_text_whole(svg, picture + "\n")
        write_bytes_whole(png, points)
    paths = ReportPaths(
        html=folder / HTML_NAME,
        markdown=folder / MARKDOWN_NAME,
        json=folder / JSON_NAME,
        forest_svg=None if forest is None else svg,
        forest_png=None if forest is None else png,
    )
    write_text_whole(paths.json, json)
    write_text_whole(paths.markdown, markdown)
    write_text_whole(paths.html, html)
    return paths
