"""Clean text out of the HTML of web pages, broken markup included.

The tokens are found here and not by `html.parser`, which takes quadratic time over unclosed tags
and gives up on odd declarations. Every pattern is bounded, so time is linear in the markup.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Literal

Links = Literal["text", "markdown"]
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<[!?][^>]*(?:>|\Z)"
    r"|<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9-]{0,40})\b"
    r"(?P<attributes>(?:[^<>\"']++|\"[^\"]{0,4000}+\"|'[^']{0,4000}+'){0,200}+)>"
    r"|(?P<text>[^<]++|<)",
    re.DOTALL,
)
_ADDRESS = re.compile(r"(?:^|\s)href\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE)
_UNSEEN = {
    name: re.compile(f"</{name}\\s*>", re.IGNORECASE)
    for name in ("script", "style", "template", "svg")
}
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "figcaption"}
    | {"figure", "footer", "form", "header", "hr", "main", "nav", "p", "pre", "section", "summary"}
    | {"table"}
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_MAXIMUM_INDENT = 8
_EMPTY_LINK = re.compile(r"\[\s*\]\([^()\s]*\)")


class _TextMaker:
    """Collects lines of text; elements that it does not know are passed through."""

    def __init__(self, links: Links) -> None:
        self.lines: list[str] = []
        self._links = links
        self._mark = ""
        self._parts: list[str] = []
        self._worded = False
        self._lists: list[int | None] = []
        self._addresses: list[str] = []
        self._row_begun = False

    def begin(self, name: str, attributes: str) -> None:
        """Take a start tag in."""
        if name in _HEADINGS:
            self.break_line(blank=True)
            self._mark = _HEADINGS[name]
        elif name in ("ul", "ol"):
            self.break_line(blank=not self._lists)
            self._lists.append(1 if name == "ol" else None)
        elif name == "li":
            self.break_line()
            self._mark = self._bullet()
        elif name == "tr":
            self.break_line()
            self._row_begun = False
        elif name in ("td", "th"):
            if self._row_begun:
                self._parts.append(" | ")
            self._row_begun = True
        elif name == "br":
            self.break_line()
        elif name == "a":
            self._begin_link(attributes)
        elif name in _BLOCKS and not self._begins_item():
            self.break_line(blank=True)

    def end(self, name: str) -> None:
        """Take an end tag in; one without a start tag breaks a line at most."""
        if name in ("ul", "ol") and self._lists:
            self._lists.pop()
            self.break_line(blank=not self._lists)
        elif name == "a" and self._addresses:
            address = self._addresses.pop()
            if address:
                self._parts.append(f"]({address})")
        elif name in ("li", "tr"):
            self.break_line()
        elif name in _HEADINGS or (name in _BLOCKS and not self._begins_item()):
            self.break_line(blank=True)

    def add(self, text: str) -> None:
        """Take text in."""
        self._parts.append(text)
        self._worded = self._worded or not text.isspace()

    def break_line(self, *, blank: bool = False) -> None:
        """End the line at hand; a mark or cells without text are no line."""
        text = _EMPTY_LINK.sub("", " ".join("".join(self._parts).split()))
        if text.strip(" |"):
            self.lines.append(self._mark + text)
        self._mark = ""
        self._parts = []
        self._worded = False
        if blank and self.lines and self.lines[-1]:
            self.lines.append("")

    def _begin_link(self, attributes: str) -> None:
        found = _ADDRESS.search(attributes) if self._links == "markdown" else None
        address = unescape(found[1] or found[2] or found[3] or "").strip() if found else ""
        self._addresses.append(address)
        if address:
            self._parts.append("[")

    def _bullet(self) -> str:
        indent = "  " * min(_MAXIMUM_INDENT, max(0, len(self._lists) - 1))
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _begins_item(self) -> bool:
        return bool(self._lists) and bool(self._mark) and not self._worded


def html_to_text(markup: str, *, links: Links = "text") -> str:
    """Return the text of HTML: headings with `#`, lists with `-`, cells parted by ` | `.

    Args:
        markup: HTML, whole or a fragment, well-formed or not; never executed, nothing fetched.
        links: text keeps a link's words; markdown keeps its address too.
    """
    maker = _TextMaker(links)
    for found in _tokens(markup):
        text, name = found["text"], found["name"]
        if text is not None:
            maker.add(unescape(text))
        elif name is not None and found["end"]:
            maker.end(name.lower())
        elif name is not None:
            maker.begin(name.lower(), found["attributes"])
    maker.break_line()
    return "\n".join(maker.lines).strip()


def _tokens(markup: str) -> Iterator[re.Match[str]]:
    """Yield the tokens of markup, without what pages hide: scripts, styles, pictures."""
    position = 0
    unclosed: set[str] = set()
    while found := _TOKEN.match(markup, position):
        position = found.end()
        name = (found["name"] or "").lower()
        if name in _UNSEEN and not found["end"] and name not in unclosed:
            closing = _UNSEEN[name].search(markup, position)
            if closing:
                position = closing.end()
            else:
                unclosed.add(name)
            continue
        yield found
