"""Govspeak, GOV.UK's Markdown, as clean text."""

import re

from civicbench.datasets.readers.html_text import Links, html_to_text

# Source of the forms: the README of alphagov/govspeak. Every pattern is bounded.
_FENCE = re.compile(r"\$[A-Z!]{1,4}|\{barchart[^}]{0,200}\}|\{/?table\}|\*\[[^\]]{1,200}\]:.*")
_STEP = re.compile(r"s(\d{1,3})\.\s")
_BULLET = re.compile(r"(\s{0,12})[*+-]\s+")
_HEADING = re.compile(r"(#{1,6})\s*(?=[^#\s])")
_INLINE: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\{::?/?[a-z-]{1,40}[^{}]{0,200}\}|\{:/?\}|\{/?button[^{}]{0,200}\}"), ""),
    (re.compile(r"\[(?:InlineAttachment|Attachment|embed|Image):[^\[\]]{0,300}\]"), ""),
    (re.compile(r"!\[([^\[\]]{0,500})\]\([^()]{0,2000}\)"), r"\1"),
    (re.compile(r"\*\*([^*]+)\*\*|__([^_]+)__"), r"\1\2"),
)
_LINK = re.compile(r"\[([^\[\]]{1,500})\]\(([^()\s]{1,2000})(?:\s{1,4}\"[^\"]{0,200}\")?\)")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|<!--")
_BLANK_LINES = re.compile(r"\n{3,}")


def govspeak_to_text(source: str, *, links: Links = "text") -> str:
    """Return Govspeak's text: headings with `#`, lists with `-`; fences and attachments go.

    Args:
        source: Govspeak, in which HTML may stand.
        links: text keeps a link's words; markdown keeps its address too.
    """
    lines = [_clean(line, links) for line in source.replace("\r\n", "\n").split("\n")]
    text = "\n".join(line for line in lines if line is not None)
    if _MARKUP.search(text):
        text = "\n\n".join(
            html_to_text(block, links=links) if _MARKUP.search(block) else block
            for block in re.split(r"\n{2,}", text)
        )
    return _BLANK_LINES.sub("\n\n", text).strip()


def _clean(line: str, links: Links) -> str | None:
    """Return a line's text, or None where it is a fence, an abbreviation or a table's rule."""
    line = line.rstrip()
    bare = line.lstrip()
    if _FENCE.fullmatch(bare) or _is_rule(bare):
        return None
    if bare.startswith("$!"):
        line = bare.removeprefix("$!").removesuffix("$!").strip()
    elif len(bare) > 2 and bare[0] in "%^@":
        # %warning%, ^information^, @important@
        line = bare[1:].removesuffix(bare[0]).strip()
    elif found := _STEP.match(bare):
        line = f"{found[1]}. {bare[found.end() :].lstrip()}"
    elif found := _BULLET.match(line):
        line = f"{found[1]}- {line[found.end() :]}"
    elif found := _HEADING.match(bare):
        line = f"{found[1]} {bare[found.end() :]}"
    for form, replacement in _INLINE:
        line = form.sub(replacement, line)
    return _LINK.sub(r"\1", line) if links == "text" else line


def _is_rule(bare: str) -> bool:
    return "--" in bare and "|" in bare and not bare.strip("|-: \t")
