"""ThemeFinder: one question's responses with themes, positions and evidence labels."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.json_lines import JsonLines
from civicbench.datasets.readers.json_values import read_document
from civicbench.datasets.readers.reader import Item, Reader
from civicbench.datasets.readers.record import Malformed, Record, Scalar, make_record
from civicbench.datasets.readers.text import path_of

_LABELS = ("mapping", "sentiment", "detail")


class ThemeFinder(Reader):
    """Reads one question folder of ThemeFinder's evaluation data, joined by `response_id`."""

    reader: Literal["themefinder"] = "themefinder"
    """The reader's name."""

    @property
    def roles(self) -> tuple[str, ...]:
        """The question, its responses, its themes, and the three kinds of labels."""
        return ("question", "responses", "themes", *_LABELS)

    def read(self, files: Mapping[str, Path]) -> Iterator[Item]:
        """Yield a record a response; what has no response or lacks a label is malformed."""
        question = _question(path_of(files, "question"))
        themes = _themes(path_of(files, "themes"))
        labels: dict[str, dict[Scalar, Record]] = {}
        for role in _LABELS:
            labels[role] = {}
            for item in JsonLines().read_file(path_of(files, role)):
                if isinstance(item, Malformed):
                    yield item
                elif item.fields.get("response_id") in labels[role]:
                    yield Malformed(item.place, "a response is labelled twice", str(item.fields))
                else:
                    labels[role][item.fields.get("response_id")] = item
        for item in JsonLines().read_file(path_of(files, "responses")):
            if isinstance(item, Malformed):
                yield item
                continue
            name = item.fields.get("response_id")
            found = [labels[role].pop(name, None) for role in _LABELS]
            missing = [role for role, label in zip(_LABELS, found, strict=True) if not label]
            if missing:
                yield Malformed(item.place, f"no label in {', '.join(missing)}", str(item.fields))
                continue
            fields: dict[str, Scalar] = {"question": question, "themes": themes, **item.fields}
            for label in found:
                if label:
                    fields |= {key: label.fields[key] for key in label.fields if key not in fields}
            yield make_record(item.place, fields)
        for role in _LABELS:
            for left in labels[role].values():
                yield Malformed(left.place, "a label of no response", str(left.fields))


def _question(path: Path) -> str:
    value, _ = read_document(path)
    text = value.get("question_text") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InvalidInputError("is no ThemeFinder question: no question_text", where=str(path))
    return text


def _themes(path: Path) -> str:
    """Return the themes as lines `A: label: description`."""
    value, _ = read_document(path)
    lines = [
        f"{theme['topic_id']}: {theme['topic']}"
        for theme in (value if isinstance(value, list) else [])
        if isinstance(theme, dict) and "topic_id" in theme and "topic" in theme
    ]
    if not lines or not isinstance(value, list) or len(lines) < len(value):
        raise InvalidInputError(
            "is no list of ThemeFinder themes, each with topic_id and topic", where=str(path)
        )
    return "\n".join(lines)
