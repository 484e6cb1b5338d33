"""Govspeak, GOV.UK's Markdown, as clean text."""

import re

from civicbench.datasets.readers.html_text import Links, html_to_text

# Source of the forms: github.com/alphagov/govspeak, README.
_LINE_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^\$[A-Z!]{1,4}\s*$", re.MULTILINE), ""),  # $CTA, $C, $A, $D, $P, $I, $E fences
    (re.compile(r"^\$![ \t]*|[ \t]*\$!$", re.MULTILINE), ""),
    (re.compile(r"^%(.+?)%?\s*$", re.MULTILINE), r"\1"),  # %warning%
    (re.compile(r"^\^(.+?)\^?\s*$", re.MULTILINE), r"\1"),  # ^information^
    (re.compile(r"^@(.+?)@?\s*$", re.MULTILINE), r"\1"),  # @important@
    (re.compile(r"^x\[(.+?)\]x?", re.MULTILINE), r"\1"),
    (re.compile(r"^s(\d+)\.\s+", re.MULTILINE), r"\1. "),  # s1. steps
    (re.compile(r"^[*+]\s+", re.MULTILINE), "- "),
    (re.compile(r"^\{barchart[^}]*\}\s*$|^\{table\}\s*$|^\{/table\}\s*$", re.MULTILINE), ""),
    (re.compile(r"^\|?[ \t]*:?-{2,}:?[ \t]*(\|[ \t]*:?-{2,}:?[ \t]*)+\|?\s*$", re.MULTILINE), ""),
    (re.compile(r"^\*\[[^\]]+\]:.*$", re.MULTILINE), ""),  # *[GDS]: abbreviations
    (re.compile(r"\{::?/?[a-z-]+[^}]*\}|\{:/?\}"), ""),  # {::highlight-answer}, {:.class}
    (re.compile(r"\[(?:InlineAttachment|Attachment|embed:[a-z]+|Image):?[^\]]*\]"), ""),
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\{button[^}]*\}(.*?)\{/button\}"), r"\1"),
    (re.compile(r"\*\*([^*\n]+)\*\*|__([^_\n]+)__"), r"\1\2"),
    (re.compile(r"^(#{1,6})([^#\s])", re.MULTILINE), r"\1 \2"),
)
_LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_MARKUP = re.compile(r"<[a-zA-Z!/][^>]*>")
_BLANK_LINES = re.compile(r"\n{3,}")


def govspeak_to_text(source: str, *, links: Links = "text") -> str:
    """Return Govspeak's text: headings with `#`, lists with `-`; fences and attachments go.

    Args:
        source: Govspeak, in which HTML may stand.
        links: text keeps a link's words; markdown keeps its address too.
    """
    text = source.replace("\r\n", "\n")
    for form, replacement in _LINE_FORMS:
        text = form.sub(replacement, text)
    if links == "text":
        text = _LINK.sub(r"\1", text)
    if _MARKUP.search(text):
        text = "\n\n".join(
            html_to_text(block, links=links) if _MARKUP.search(block) else block
            for block in re.split(r"\n{2,}", text)
        )
    return _BLANK_LINES.sub("\n\n", text).strip()
