import json
from copy import deepcopy
from pathlib import Path

import pytest
from tests.datasets.readers.reading import read_one

from civicbench.core.errors import InvalidInputError

MEETING = {
    "topic_list": [{"topic": "Schools", "relevant_text_span": [["0", "1"]]}],
    "general_query_list": [{"query": "Summarise.", "answer": "They met."}],
    "specific_query_list": [
        {"query": "Who spoke?", "answer": "Ann.", "relevant_text_span": [["2", "2"], ["0", "0"]]}
    ],
    "meeting_transcripts": [
        {"speaker": "Ann", "content": "Good morning."},
        {"speaker": "Bob", "content": "Bore da."},
        {"speaker": "Ann", "content": "Thank you."},
    ],
}


def meeting(tmp_path: Path, records: str, content: object):
    settings = {"reader": "qmsum", "records": records}
    return read_one(settings, json.dumps(content), tmp_path, name="education_1.json")


def test_queries_come_with_the_turns_that_they_rest_on(tmp_path: Path) -> None:
    records, malformed = meeting(tmp_path, "queries", MEETING)
    assert malformed == []
    assert [record.fields["kind"] for record in records] == ["general", "specific"]
    assert records[0].fields["transcript"].count("\n") == 2
    assert records[1].fields == {
        "meeting": "education_1",
        "kind": "specific",
        "query": "Who spoke?",
        "answer": "Ann.",
        "transcript": "Ann: Good morning.\nAnn: Thank you.",
    }
    assert records[1].place == "education_1.json#/specific_query_list/0"


def test_topics_and_turns(tmp_path: Path) -> None:
    topics, _ = meeting(tmp_path, "topics", MEETING)
    assert topics[0].fields["transcript"] == "Ann: Good morning.\nBob: Bore da."
    turns, _ = meeting(tmp_path, "turns", MEETING)
    assert [turn.fields["speaker"] for turn in turns] == ["Ann", "Bob", "Ann"]


@pytest.mark.parametrize(
    "span", [[["0", "3"]], [["2", "1"]], [["x", "1"]], [["-1", "1"]], [["0"]], "0-1", [], None]
)
def test_a_span_outside_the_transcript_is_listed(tmp_path: Path, span: object) -> None:
    broken = deepcopy(MEETING)
    broken["specific_query_list"][0]["relevant_text_span"] = span
    records, malformed = meeting(tmp_path, "queries", broken)
    assert len(records) == 1
    assert malformed[0].place == "education_1.json#/specific_query_list/0"


def test_turns_and_queries_without_text_are_listed(tmp_path: Path) -> None:
    broken = deepcopy(MEETING)
    broken["meeting_transcripts"][1] = {"speaker": "Bob"}
    broken["general_query_list"][0]["answer"] = ""
    records, malformed = meeting(tmp_path, "queries", broken)
    assert len(records) == 1
    assert [one.place.partition("#")[2] for one in malformed] == [
        "/meeting_transcripts/1",
        "/general_query_list/0",
    ]


@pytest.mark.parametrize("content", [[], {}, {"topic_list": []}, {**MEETING, "topic_list": {}}])
def test_what_is_no_meeting_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(InvalidInputError, match="no QMSum meeting"):
        meeting(tmp_path, "queries", content)
