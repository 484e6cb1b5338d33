"""Pictures as they stand within a page."""

from xml.etree import ElementTree

from civicbench.pages.characters import visible

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"


def label_svg(svg: str, *, name: str, description: str) -> str:
    """Return matplotlib's picture as an element of a page, without its metadata.

    Args:
        svg: The picture.
        name: Begins every id within it, so that ids of two pictures on a page do not meet.
        description: What it shows, for those who do not see it.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(svg)  # noqa: S314 (matplotlib's own output)
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    root.set("role", "img")
    root.set("aria-label", visible(description))
    used: set[str] = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            reference = _reference(key, value)
            if reference is not None:
                used.add(reference)
                element.set(key, value.replace(f"#{reference}", f"#{name}-{reference}"))
    for element in root.iter():
        identity = element.attrib.pop("id", None)
        if identity in used:
            element.set("id", f"{name}-{identity}")
    return ElementTree.tostring(root, encoding="unicode")


def _reference(key: str, value: str) -> str | None:
    """Return which id of the same picture an attribute names."""
    if key == f"{{{_XLINK}}}href" and value.startswith("#"):
        return value[1:]
    if value.startswith("url(#"):
        return value[len("url(#") : -1]
    return None
