"""Forest plots: differences with their intervals, equal byte for byte for equal numbers."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from civicbench.pages.pictures import label_svg
from civicbench.reports.lettering import Ruler

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SETTINGS = {
    "svg.hashsalt": "civicbench",
    "svg.fonttype": "none",
    # Shipped with matplotlib, so that the layout is the same on every machine. It is wider than
    # the typefaces that a page shows, so what fits in it fits there.
    "font.family": "DejaVu Sans",
    "font.size": 10,
}
# All lengths are in points, 72 to the inch, as in the SVG itself.
_WIDTH = 660.0
_EDGE, _GAP = 8.0, 14.0
_LINE, _ROW_PADDING = 13.0, 10.0
_TITLE_SPACE, _TICK_SPACE, _KEY_SPACE = 10.0, 22.0, 8.0
_LABEL_WIDTH = 240.0
_PNG_DPI = 180
_INK, _PALE = "#0b0c0c", "#8a8f93"


@dataclass(frozen=True)
class ForestRow:
    """One difference.

    Attributes:
        label: What it is the difference of.
        value: The estimate.
        low: Lower end of its interval.
        high: Upper end.
        mark: Where the declared tolerable loss ends; None where none was declared.
        shown: The numbers in words.
        filled: Whether its square is filled; the plot's key says what that means.
    """

    label: str
    value: float
    low: float
    high: float
    mark: float | None
    shown: str
    filled: bool = True


@dataclass(frozen=True)
class ForestGroup:
    """Rows under one heading; no heading where it is empty."""

    title: str
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True)
class Forest:
    """A forest plot before it is drawn.

    Attributes:
        name: Begins every id within the picture: letters, digits and hyphens.
        title: The heading within the picture.
        axis: What the axis shows.
        description: What the plot shows, in words.
        groups: The rows.
        key: What filled and open squares say; empty where all are filled.
    """

    name: str
    title: str
    axis: str
    description: str
    groups: tuple[ForestGroup, ...]
    key: str = ""

    @property
    def rows(self) -> tuple[ForestRow, ...]:
        """All rows from top to bottom."""
        return tuple(row for group in self.groups for row in group.rows)


def draw_svg(forest: Forest) -> str:
    """Return a forest plot as an `<svg>` element that names itself for those who do not see it."""
    svg = _draw(forest, form="svg").decode("utf-8")
    return label_svg(svg, name=forest.name, description=forest.description)


def draw_png(forest: Forest) -> bytes:
    """Return a forest plot as a PNG file."""
    return _draw(forest, form="png")


def _draw(forest: Forest, *, form: Literal["svg", "png"]) -> bytes:
    buffer = io.BytesIO()
    with style.context(["default", _SETTINGS]), warnings.catch_warnings():
        # The PNG has boxes for letters that the typeface lacks; the SVG keeps the letters.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = lay_out(forest)
        metadata = {"Date": None, "Creator": None} if form == "svg" else {"Software": None}
        dpi = 72 if form == "svg" else _PNG_DPI
        figure.savefig(buffer, format=form, metadata=metadata, dpi=dpi)
    return buffer.getvalue()


def lay_out(forest: Forest) -> Figure:
    """Return a forest plot as a figure of 72 points to the inch, every text in its own place."""
    ruler = Ruler()
    title = ruler.fit(forest.title, width=_WIDTH - 2 * _EDGE)
    notes = [line for note in _notes(forest) for line in ruler.fit(note, width=_WIDTH - 2 * _EDGE)]
    lines = _lines(forest, ruler=ruler)
    left = max(ruler.width(text) for line in lines for text in line.text) + _EDGE + _GAP
    right = max(ruler.width(row.shown) for row in forest.rows) + _EDGE + _GAP
    axis = ruler.fit(forest.axis, width=_WIDTH - left - _EDGE)
    top = _EDGE + len(title) * _LINE + _TITLE_SPACE
    body = sum(line.height for line in lines)
    below = top + body + _TICK_SPACE + len(axis) * _LINE + _KEY_SPACE
    height = below + len(notes) * _LINE + _EDGE
    figure = Figure(figsize=(_WIDTH / 72, height / 72), dpi=72)
    page = _Page(figure, height)
    page.write(_EDGE, _EDGE, title, bold=True)
    y = top
    for line in lines:
        line.centre = y + line.height / 2
        page.write(_EDGE, line.centre, line.text, bold=line.row is None, middle=True)
        y += line.height
    plot_width = _WIDTH - left - right
    axes = figure.add_axes(
        (left / _WIDTH, 1 - (top + body) / height, plot_width / _WIDTH, body / height)
    )
    _dress(axes, forest.rows)
    axes.set_ylim(top + body, top)
    for line in lines:
        if line.row is not None:
            _mark(axes, line.row, at=line.centre, height=line.height)
            page.write(left + plot_width + _GAP, line.centre, [line.row.shown], middle=True)
    page.write(left, top + body + _TICK_SPACE, axis)
    page.write(_EDGE, below, notes)
    return figure


def _notes(forest: Forest) -> list[str]:
    notes = [forest.key] if forest.key else []
    if any(row.mark is not None for row in forest.rows):
        notes.append("Dashed line: the loss that was declared tolerable before measuring.")
    return notes


@dataclass
class _Line:
    text: list[str]
    row: ForestRow | None
    centre: float = 0.0

    @property
    def height(self) -> float:
        return len(self.text) * _LINE + _ROW_PADDING


@dataclass(frozen=True)
class _Page:
    """Texts placed in points from the top left corner."""

    figure: Figure
    height: float

    def write(
        self,
        x: float,
        y: float,
        lines: Sequence[str],
        *,
        bold: bool = False,
        middle: bool = False,
    ) -> None:
        start = y - (len(lines) - 1) * _LINE / 2 if middle else y + _LINE / 2
        for place, text in enumerate(lines):
            self.figure.text(
                x / _WIDTH,
                1 - (start + place * _LINE) / self.height,
                text,
                parse_math=False,
                fontweight="bold" if bold else "normal",
                color=_INK,
                horizontalalignment="left",
                verticalalignment="center",
            )


def _lines(forest: Forest, *, ruler: Ruler) -> list[_Line]:
    lines = []
    for group in forest.groups:
        if group.title:
            lines.append(_Line(ruler.fit(group.title, width=_LABEL_WIDTH), None))
        lines += [_Line(ruler.fit(row.label, width=_LABEL_WIDTH), row) for row in group.rows]
    return lines


def _dress(axes: "Axes", rows: Sequence[ForestRow]) -> None:
    numbers = [0.0]
    for row in rows:
        numbers += [row.low, row.high, row.value]
        numbers += [] if row.mark is None else [row.mark]
    low, high = min(numbers), max(numbers)
    room = 0.06 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=_INK, labelsize=9)
    axes.grid(axis="x", color="#dedede", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.axvline(0.0, color=_INK, linewidth=1.2, zorder=2)


def _mark(axes: "Axes", row: ForestRow, *, at: float, height: float) -> None:
    """Draw an interval, its estimate as a square."""
    if row.mark is not None:
        half = height / 2
        axes.plot(
            [row.mark, row.mark], [at - half, at + half], color=_INK, linewidth=1.2,
            linestyle=(0, (3, 2)), zorder=2,
        )  # fmt: skip
    axes.plot([row.low, row.high], [at, at], color=_INK, linewidth=1.6, zorder=3)
    for end in (row.low, row.high):
        axes.plot([end, end], [at - 3.5, at + 3.5], color=_INK, linewidth=1.6, zorder=3)
    axes.plot(
        [row.value], [at], marker="s", markersize=6.5, color=_INK, zorder=4,
        markerfacecolor=_INK if row.filled else "white", markeredgewidth=1.4,
    )  # fmt: skip
