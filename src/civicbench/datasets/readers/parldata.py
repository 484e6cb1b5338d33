"""parldata: the XML in which TheyWorkForYou keeps what is said and answered in Parliament."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from xml.etree.ElementTree import Element

from civicbench.datasets.readers.reader import FileReader, Item
from civicbench.datasets.readers.record import Malformed, Scalar, make_record
from civicbench.datasets.readers.xml_elements import BrokenXmlError, ElementStream
from civicbench.datasets.readers.xml_text import block_text, inline_text

_HEADINGS = {"oral-heading": "section", "major-heading": "department", "minor-heading": "heading"}


@dataclass(slots=True)
class _Context:
    """What stands above the element at hand."""

    file: str
    latest: bool
    headings: dict[str, str | None] = field(
        default_factory=lambda: dict.fromkeys(_HEADINGS.values())
    )
    questions: list[tuple[str, Element]] = field(default_factory=list)

    def enter(self, element: Element) -> None:
        """Take a heading in; the ones below it end."""
        levels = list(_HEADINGS.values())
        level = levels.index(_HEADINGS[element.tag])
        self.headings[levels[level]] = inline_text(element)
        for below in levels[level + 1 :]:
            self.headings[below] = None


class Parldata(FileReader):
    """Reads parldata XML, Commons and Lords.

    Earlier scrapes of a day hold little more than redirects to the latest: such a file yields
    nothing. Redirects and division lists are no records.
    """

    reader: Literal["parldata"] = "parldata"
    """The reader's name."""
    records: Literal["answers", "speeches"]
    """answers: a record for each written answer with its questions. speeches: a record for each
    speech of a debate."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the answers or the speeches; the file streams."""
        stream = ElementStream(path, root="publicwhip", entities=True)
        context: _Context | None = None
        try:
            for line, element in stream:
                if context is None:
                    context = _Context(path.name, stream.attributes.get("latest") == "yes")
                yield from self._take(context, line, element)
        except BrokenXmlError as error:
            if context:
                yield from _unanswered(context)
            problem = f"{error.problem}; nothing after it can be read"
            got = inline_text(error.partial) if error.partial is not None else ""
            yield Malformed(f"{path.name}:{error.line}", problem, got)
            return
        if context:
            yield from _unanswered(context)

    def _take(self, context: _Context, line: int, element: Element) -> Iterator[Item]:
        place = f"{context.file}:{line}"
        if element.tag in _HEADINGS:
            yield from _unanswered(context)
            context.enter(element)
        elif element.tag == "speech" and self.records == "speeches":
            yield _speech(context, place, element)
        elif element.tag == "ques" and self.records == "answers":
            context.questions.append((place, element))
        elif element.tag == "reply" and self.records == "answers":
            yield _answer(context, place, element)
            context.questions.clear()


def _unanswered(context: _Context) -> Iterator[Malformed]:
    for place, question in context.questions:
        yield Malformed(place, "a question without an answer", inline_text(question))
    context.questions.clear()


def _answer(context: _Context, place: str, reply: Element) -> Item:
    if not context.questions:
        return Malformed(place, "an answer without a question", inline_text(reply))
    questions = [question for _, question in context.questions]
    held = [child for child in reply if child.get("class") == "holdinganswer"]
    for child in held:
        reply.remove(child)
    answer, question = block_text(reply), "\n\n".join(map(block_text, questions))
    if not answer or not question:
        return Malformed(place, "an answer or a question without text", answer or question)
    numbers = [child.get("qnum", "") for one in questions for child in one]
    fields: dict[str, Scalar] = {
        "id": reply.get("id"),
        **_common(context, reply),
        "question": question,
        "answer": answer,
        "asker": "; ".join(dict.fromkeys(one.get("speakername", "") for one in questions)),
        "answerer": reply.get("speakername"),
        "question_numbers": "; ".join(number for number in numbers if number),
        "questions": len(questions),
        "holding_answer": bool(held),
    }
    return make_record(place, fields)


def _speech(context: _Context, place: str, speech: Element) -> Item:
    text = block_text(speech)
    if not text:
        return Malformed(place, "a speech without text", speech.get("id", ""))
    fields: dict[str, Scalar] = {
        "id": speech.get("id"),
        **_common(context, speech),
        "speaker": speech.get("speakername"),
        "office": speech.get("speakeroffice"),
        "oral_question": speech.get("oral-qnum"),
        "time": speech.get("time"),
        "text": text,
    }
    return make_record(place, fields)


def _common(context: _Context, element: Element) -> dict[str, Scalar]:
    name = element.get("id", "").rpartition("/")[2]
    return {
        "date": name[:10] or None,
        **context.headings,
        "column": element.get("colnum"),
        "url": element.get("url"),
        "latest": context.latest,
    }
