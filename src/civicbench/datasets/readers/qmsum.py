"""QMSum: meeting transcripts with topics, queries and their summaries."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.json_values import JsonValue, read_document
from civicbench.datasets.readers.reader import FileReader, Item
from civicbench.datasets.readers.record import Malformed, Scalar, make_record

_PARTS = ("topic_list", "general_query_list", "specific_query_list", "meeting_transcripts")


class QMSum(FileReader):
    """Reads one meeting of QMSum.

    A turn is written `SPEAKER: words`. Spans count turns from 0, the last included.
    """

    reader: Literal["qmsum"] = "qmsum"
    """The reader's name."""
    records: Literal["queries", "topics", "turns"] = "queries"
    """queries: question, summary and the turns that it rests on (the whole meeting for a general
    question). topics: topic and its turns. turns: speaker and words."""

    def read_file(self, path: Path) -> Iterator[Item]:
        """Yield the meeting's queries, topics or turns."""
        meeting, fault = read_document(path)
        if not isinstance(meeting, dict) or not all(
            isinstance(meeting.get(part), list) for part in _PARTS
        ):
            raise InvalidInputError(
                "is no QMSum meeting", where=str(path), remedy=f"it must hold {', '.join(_PARTS)}"
            )
        if fault:
            yield Malformed(f"{path.name}#", fault, "the last value counts")
        turns: list[str] = []
        for index, entry in enumerate(_entries(meeting, "meeting_transcripts")):
            place = f"{path.name}#/meeting_transcripts/{index}"
            speaker, words = _texts(entry, "speaker", "content")
            turns.append(f"{speaker}: {words}")
            if speaker is None or words is None:
                yield Malformed(place, "a turn without a speaker or words", str(entry))
            elif self.records == "turns":
                yield make_record(
                    place,
                    {"meeting": path.stem, "turn": index, "speaker": speaker, "text": words},
                )
        if self.records == "queries":
            yield from _queries(meeting, turns, path)
        elif self.records == "topics":
            yield from _topics(meeting, turns, path)


def _queries(meeting: dict[str, JsonValue], turns: list[str], path: Path) -> Iterator[Item]:
    for kind in ("general", "specific"):
        for index, entry in enumerate(_entries(meeting, f"{kind}_query_list")):
            place = f"{path.name}#/{kind}_query_list/{index}"
            query, answer = _texts(entry, "query", "answer")
            if not query or not answer:
                yield Malformed(place, "a query without its text or its answer", str(entry))
                continue
            chosen = "\n".join(turns) if kind == "general" else _cut(entry, turns)
            if chosen is None:
                yield Malformed(place, _SPAN_FAULT, str(entry))
                continue
            fields: dict[str, Scalar] = {
                "meeting": path.stem,
                "kind": kind,
                "query": query,
                "answer": answer,
                "transcript": chosen,
            }
            yield make_record(place, fields)


def _topics(meeting: dict[str, JsonValue], turns: list[str], path: Path) -> Iterator[Item]:
    for index, entry in enumerate(_entries(meeting, "topic_list")):
        place = f"{path.name}#/topic_list/{index}"
        (topic,) = _texts(entry, "topic")
        chosen = _cut(entry, turns)
        if not topic:
            yield Malformed(place, "a topic without its text", str(entry))
        elif chosen is None:
            yield Malformed(place, _SPAN_FAULT, str(entry))
        else:
            yield make_record(place, {"meeting": path.stem, "topic": topic, "transcript": chosen})


_SPAN_FAULT = "its spans are no pairs of turns of the transcript, first before last"


def _entries(meeting: dict[str, JsonValue], part: str) -> list[JsonValue]:
    entries = meeting[part]
    return entries if isinstance(entries, list) else []


def _texts(entry: JsonValue, *names: str) -> list[str | None]:
    values = [entry.get(name) if isinstance(entry, dict) else None for name in names]
    return [value if isinstance(value, str) else None for value in values]


def _cut(entry: JsonValue, turns: list[str]) -> str | None:
    """Return the turns of an entry's spans, each once and in order, or None for a bad span."""
    spans = entry.get("relevant_text_span") if isinstance(entry, dict) else None
    chosen: set[int] = set()
    for span in spans if isinstance(spans, list) else []:
        if not isinstance(span, list) or len(span) != 2:
            return None
        ends = [str(end) for end in span]
        if not all(end.isdecimal() and len(end) < 9 for end in ends):
            return None
        first, last = int(ends[0]), int(ends[1])
        if not first <= last < len(turns):
            return None
        chosen.update(range(first, last + 1))
    return "\n".join(turns[index] for index in sorted(chosen)) if chosen else None
