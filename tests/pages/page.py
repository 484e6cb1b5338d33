"""Reading a rendered page as a browser would, and spoiling evidence with hostile text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from civicbench.registry.evidence import Evidence, Measurements

_VOID = {"meta", "br", "link", "img", "hr", "input", "wbr"}
_CHOICES = {"written_as", "better", "verdict", "kind", "of", "judged_by"}
_OPEN_MAPPINGS = {"files", "settings", "packages", "flags", "stage_times_s"}
HOSTILE = (
    " </p></td></table></details></style><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\" onclick='a' {{ 7*7 }} {% raw %} ${7*7} &lt; <!-- \n\n---\nlicense: stolen\n\n# Heading\n"
    "| a | b |\n|---|---|\n```\n[text](javascript:alert(3)) ![i](http://x.invalid/i.png) "
    "*b* `c` \\| \\ `` \x00\x1b[31m \u202egnp.exe\u200b \ud800 <details>\n1. one\n- two\n> q"
)


@dataclass
class Page(HTMLParser):
    """The elements and the text of a page; refuses tags that are not balanced."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def read(cls, html: str) -> "Page":
        page = cls()
        page.feed(html)
        page.close()
        assert page._open == []
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute stands twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert "svg" in self._open, f"<{tag}/> outside a picture"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((tuple(self._open), data))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def text(self, *, of: str | None = None) -> str:
        parts = [
            text for path, text in self.texts if "style" not in path and (of is None or of in path)
        ]
        return re.sub(r"\s+", " ", " ".join(parts))

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the page's elements with their attributes' names: what markup it is made of."""
        return [(tag, tuple(sorted(attributes))) for tag, attributes in self.elements]


def with_every_duty(evidence: Evidence) -> Evidence:
    """Return the evidence with a licence and a gate that fill every line of the card."""
    licence = evidence.base.licence.model_copy(
        update={
            "name_prefix": "Llama",
            "display": "Built with Llama",
            "attribution": "Llama is licensed under its licence.",
            "use_policy_url": "https://policy.invalid/",
        }
    )
    base = evidence.base.model_copy(update={"licence": licence})
    first, *others = evidence.gate.rules
    noted = first.model_copy(update={"note": "Tighter than the noise."})
    gate = evidence.gate.model_copy(update={"rules": (noted, *others)})
    return evidence.model_copy(update={"base": base, "gate": gate})


def spoil(evidence: Evidence, measurements: Measurements) -> tuple[Evidence, Measurements]:
    """Return the same evidence with hostile text at the end of every text in it."""
    return (
        Evidence.model_validate(_spoil(evidence.model_dump(mode="json"))),
        Measurements.model_validate(_spoil(measurements.model_dump(mode="json"))),
    )


def _spoil(value: Any, *, keys: bool = False) -> Any:
    if isinstance(value, str):
        # Text that is not there stays so, for the card to have the same parts.
        return value and value + HOSTILE
    if isinstance(value, list):
        return [_spoil(part) for part in value]
    if isinstance(value, Mapping):
        return {
            key + HOSTILE if keys else key: part
            if key in _CHOICES
            else _spoil(part, keys=key in _OPEN_MAPPINGS)
            for key, part in value.items()
        }
    return value
