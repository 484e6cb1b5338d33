"""GOV.UK content items: a page, or a page's parts, as clean text."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.govspeak import govspeak_to_text
from civicbench.datasets.readers.html_text import Links, html_to_text
from civicbench.datasets.readers.json_values import JsonValue, read_document
from civicbench.datasets.readers.reader import FileReader, Item
from civicbench.datasets.readers.record import Malformed, Scalar, make_record

_TAG = re.compile(r"</?[a-zA-Z][^>]*>")


class GovukContent(FileReader):
    """Reads a content item as the Content API and publishing-api's examples have it."""

    reader: Literal["govuk-content"] = "govuk-content"
    """The reader's name."""
    links: Links = "text"
    """text keeps a link's words; markdown keeps its address too: `[words](address)`."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield a record for the body (`details.body`) and for each of `details.parts`.

        A body is HTML, Govspeak, or a list of both, of which the HTML is taken. A page without
        any is malformed.
        """
        item, fault = read_document(path)
        if fault:
            yield Malformed(f"{path.name}#", fault, "the last value counts")
        details = item.get("details") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(details, dict) or "title" not in item:
            raise InvalidInputError(
                "is no GOV.UK content item: it has no title and details", where=str(path)
            )
        bodies = list(_iterate_bodies(details))
        if not bodies:
            yield Malformed(f"{path.name}#/details", "a page without a body", str(item["title"]))
        for pointer, part, body in bodies:
            text = self._clean(body)
            place = f"{path.name}#{pointer}"
            if text:
                fields = {**_describe(item), **_describe_part(part), "text": text}
                yield make_record(place, fields)
            else:
                yield Malformed(place, "a body without text", str(item["title"]))

    def _clean(self, body: JsonValue) -> str | None:
        if isinstance(body, list):
            kinds = {
                entry.get("content_type"): entry.get("content")
                for entry in body
                if isinstance(entry, dict)
            }
            markup, source = kinds.get("text/html"), kinds.get("text/govspeak")
            if isinstance(markup, str):
                return html_to_text(markup, links=self.links)
            body = source
        if not isinstance(body, str):
            return None
        if _TAG.search(body):
            return html_to_text(body, links=self.links)
        return govspeak_to_text(body, links=self.links)


def _iterate_bodies(
    details: dict[str, JsonValue],
) -> Iterator[tuple[str, dict[str, JsonValue], JsonValue]]:
    """Yield (pointer, the part or nothing, the body)."""
    if details.get("body") is not None:
        yield "/details/body", {}, details["body"]
    parts = details.get("parts")
    for index, part in enumerate(parts if isinstance(parts, list) else []):
        if isinstance(part, dict):
            yield f"/details/parts/{index}/body", part, part.get("body")


def _describe(item: dict[str, JsonValue]) -> dict[str, Scalar]:
    links = item.get("links")
    organisations = links.get("organisations") if isinstance(links, dict) else None
    titles = [
        str(one.get("title", ""))
        for one in (organisations if isinstance(organisations, list) else [])
        if isinstance(one, dict)
    ]
    return {
        "title": _scalar(item.get("title")),
        "description": _scalar(item.get("description")),
        "base_path": _scalar(item.get("base_path")),
        "document_type": _scalar(item.get("document_type")),
        "locale": _scalar(item.get("locale")),
        "updated": _scalar(item.get("public_updated_at")),
        "withdrawn": bool(item.get("withdrawn_notice")),
        "organisations": "; ".join(titles),
    }


def _describe_part(part: dict[str, JsonValue]) -> dict[str, Scalar]:
    return {"part": _scalar(part.get("title")), "part_slug": _scalar(part.get("slug"))}


def _scalar(value: JsonValue) -> Scalar:
    return None if isinstance(value, dict | list) else value
