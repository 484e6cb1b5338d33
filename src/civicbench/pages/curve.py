"""The loss curve as an inline SVG picture, equal byte for byte for equal numbers."""

import io
from collections.abc import Sequence
from xml.etree import ElementTree

from matplotlib import style
from matplotlib.figure import Figure

from civicbench.pages.document import Curve
from civicbench.training.record import CurvePoint

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_TITLE_ID, _DESCRIPTION_ID = "curve-title", "curve-description"
# Contrast of at least 3 to 1 on white; line style and marker tell the two apart without colour.
_TRAINING_COLOUR, _HELD_OUT_COLOUR = "#1d70b8", "#ca3535"
_SETTINGS = {
    "svg.hashsalt": "civicbench",
    "svg.fonttype": "none",
    # Shipped with matplotlib, so that the layout is the same on every machine; the page's own
    # stylesheet sets the typeface that a reader sees.
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "path.simplify": True,
}


def draw_curve(curve: Curve) -> str:
    """Return a loss curve as an `<svg>` element with a title and a description.

    Args:
        curve: Points of the training loss and of the held-out loss (nats per token).
    """
    buffer = io.StringIO()
    with style.context(["default", _SETTINGS]):
        figure = Figure(figsize=(7.5, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(
            *_numbers(curve.training), color=_TRAINING_COLOUR, linewidth=2, label="Training rows"
        )
        if curve.held_out:
            axes.plot(
                *_numbers(curve.held_out),
                color=_HELD_OUT_COLOUR,
                linestyle="--",
                marker="o",
                label="Rows held out from training",
            )
            axes.legend(frameon=False)
        axes.set_xlabel("Training step")
        axes.set_ylabel("Loss (nats per token)")
        axes.set_ylim(bottom=0)
        axes.grid(axis="y", color="#cecece", linewidth=0.8)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _describe(buffer.getvalue(), title=curve.title, description=curve.description)


def _numbers(points: Sequence[CurvePoint]) -> tuple[list[int], list[float]]:
    return [point.step for point in points], [point.loss for point in points]


def _describe(svg: str, *, title: str, description: str) -> str:
    """Name a picture for those who do not see it, and drop what a page does not need."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(svg)  # noqa: S314 (matplotlib's own output)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    root.set("role", "img")
    root.set("aria-labelledby", f"{_TITLE_ID} {_DESCRIPTION_ID}")
    for index, (tag, name, text) in enumerate(
        (("title", _TITLE_ID, title), ("desc", _DESCRIPTION_ID, description))
    ):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": name})
        element.text = text
        root.insert(index, element)
    return ElementTree.tostring(root, encoding="unicode")
