"""Reading the project's Markdown pages: links, tables, and the commands that they show."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]
_SHELLS = {"bash", "console", "sh"}
_CODE = re.compile(r"`([^`]+)`")
_CELL = re.compile(r"(?<!\\)\|")
_ENDS = {"|", "||", "&&", ";", ">", "2>"}


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.path.read_text("utf-8"))

    @property
    def shell_lines(self) -> list[str]:
        """Lines of shell that stand in fences, without prompts."""
        return [
            line.removeprefix("$ ").strip()
            for token in self.tokens
            if token.type == "fence" and token.info.strip() in _SHELLS
            for line in token.content.splitlines()
        ]

    @property
    def inline_codes(self) -> list[str]:
        return [child.content for child in self._inline() if child.type == "code_inline"]

    @property
    def links(self) -> list[str]:
        names = {"link_open": "href", "image": "src"}
        return [
            str(child.attrs[names[child.type]]) for child in self._inline() if child.type in names
        ]

    @property
    def anchors(self) -> set[str]:
        """Anchors of the headings, as GitHub makes them."""
        found = set()
        tokens = self.tokens
        for place, token in enumerate(tokens):
            if token.type == "heading_open":
                text = tokens[place + 1].content.lower().replace("`", "")
                found.add(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
        return found

    def section(self, title: str) -> str:
        """The text from a heading to the next."""
        after = re.split(rf"^#+ {re.escape(title)}$", self.path.read_text("utf-8"), flags=re.M)[1]
        return re.split(r"^#+ ", after, flags=re.M)[0]

    def _inline(self) -> Iterator[Token]:
        for token in self.tokens:
            yield from token.children or []


def rows(text: str) -> list[list[str]]:
    """Cells of every table row of a text, without heads' rules."""
    found = []
    for line in text.splitlines():
        if line.startswith("|") and not set(line) <= set("|-: "):
            found.append([cell.strip() for cell in _CELL.split(line)[1:-1]])
    return found


def first_codes(text: str) -> list[str]:
    """Every name in code, or in a link, that stands in the first cell of a table row."""
    names = []
    for row in rows(text):
        if _CODE.search(row[0]):
            names += _CODE.findall(row[0])
        elif linked := re.match(r"\[([^\]]+)\]\(", row[0]):
            names.append(linked[1])
    return names


def command_words(line: str) -> list[str] | None:
    """The words after `civicbench` of a shell line up to where the command ends; else None."""
    words = shlex.split(line, comments=True)
    if not words or words[0] != "civicbench":
        return None
    end = next((place for place, word in enumerate(words) if word in _ENDS), len(words))
    return words[1:end]


def pages() -> list[Page]:
    """Every page that a user reads."""
    patterns = (
        "*.md", "docs/**/*.md", "recipes/*.md", "training/*.md", "datasets/**/*.md",
        "evaluation/**/*.md", "configs/**/*.md", "benchmarks/*.md", "slurm/**/*.md",
    )  # fmt: skip
    return [Page(path) for pattern in patterns for path in sorted(ROOT.glob(pattern))]
