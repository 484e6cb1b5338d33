"""Clean text out of the HTML of web pages, broken markup included."""

import re
from html.parser import HTMLParser
from typing import Literal

Links = Literal["text", "markdown"]
_SKIPPED = frozenset({"script", "style", "template", "svg", "noscript", "head", "object"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "details", "div", "dl", "dt", "figcaption"}
    | {"figure", "footer", "form", "header", "hr", "main", "nav", "p", "pre", "section", "summary"}
    | {"table"}
)
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_BLANK_LINES = re.compile(r"\n{3,}")


class _TextMaker(HTMLParser):
    """Collects lines; unknown and unclosed elements are passed through."""

    def __init__(self, links: Links) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self._links = links
        self._skipped: list[str] = []
        self._lists: list[int | None] = []
        self._address: list[str | None] = []
        self._row_begun = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skipped.append(tag)
        if self._skipped:
            return
        if tag in _HEADINGS:
            self._break(blank=True)
            self.lines[-1] = _HEADINGS[tag]
        elif tag in ("ul", "ol"):
            self._break(blank=not self._lists)
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._break(blank=False)
            self.lines[-1] = self._bullet()
        elif tag == "tr":
            self._break(blank=False)
            self._row_begun = False
        elif tag in ("td", "th"):
            if self._row_begun:
                self.lines[-1] = self.lines[-1].rstrip() + " | "
            self._row_begun = True
        elif tag == "br":
            self._break(blank=False)
        elif tag == "a":
            address = dict(attrs).get("href")
            self._address.append(address)
            if address and self._links == "markdown":
                self.lines[-1] += "["
        elif tag in _BLOCKS and not self._in_item():
            self._break(blank=True)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br" and not self._skipped:
            self._break(blank=False)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            while self._skipped.pop() != tag:
                pass
        elif self._skipped:
            return
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self._break(blank=not self._lists)
        elif tag == "a" and self._address:
            address = self._address.pop()
            if address and self._links == "markdown":
                self.lines[-1] = f"{self.lines[-1].rstrip()}]({address})"
        elif tag in ("li", "tr"):
            self._break(blank=False)
        elif tag in _HEADINGS or (tag in _BLOCKS and not self._in_item()):
            self._break(blank=True)

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        text = re.sub(r"\s+", " ", data)
        if self.lines[-1] == "" or self.lines[-1].endswith(" "):
            text = text.lstrip()
        self.lines[-1] += text

    def _break(self, *, blank: bool) -> None:
        if self.lines[-1].strip(" -#|[") == "" and self.lines[-1] != "":
            # A bullet, heading mark or cell without text.
            self.lines[-1] = ""
        if self.lines[-1]:
            self.lines.append("")
        if blank and len(self.lines) > 1 and self.lines[-2]:
            self.lines.append("")

    def _bullet(self) -> str:
        indent = "  " * max(0, len(self._lists) - 1)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _in_item(self) -> bool:
        return bool(self._lists) and bool(re.fullmatch(r"\s*(-|\d+\.) ", self.lines[-1]))


def html_to_text(markup: str, *, links: Links = "text") -> str:
    """Return the text of HTML: headings with `#`, lists with `-`, cells parted by ` | `.

    Args:
        markup: HTML, whole or a fragment, well-formed or not; never executed, nothing fetched.
        links: text keeps a link's words; markdown keeps its address too.
    """
    maker = _TextMaker(links)
    maker.feed(markup.replace("\r\n", "\n"))
    maker.close()
    text = "\n".join(line.rstrip() for line in maker.lines)
    return _BLANK_LINES.sub("\n\n", text).strip()
