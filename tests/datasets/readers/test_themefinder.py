import json
from pathlib import Path

import pytest
from tests.datasets.readers.reading import read

from civicbench.core.errors import InvalidInputError


def folder(tmp_path: Path, **changes: object) -> dict[str, Path]:
    contents: dict[str, object] = {
        "question": {"question_text": "Should it?"},
        "themes": [{"topic_id": "A", "topic": "Yes: it should"}],
        "responses": [
            {"response_id": 1, "response": "Yes."},
            {"response_id": 2, "response": "No."},
        ],
        "mapping": [{"response_id": 1, "labels": ["A"]}, {"response_id": 2, "labels": []}],
        "sentiment": [{"response_id": n, "position": "AGREE"} for n in (1, 2)],
        "detail": [{"response_id": n, "evidence_rich": "NO"} for n in (1, 2)],
        **changes,
    }
    files = {}
    for role, content in contents.items():
        files[role] = tmp_path / role
        text = json.dumps(content)
        if role not in ("question", "themes"):
            text = "\n".join(json.dumps(row) for row in content)  # type: ignore[attr-defined]
        files[role].write_text(text)
    return files


def test_a_response_is_joined_with_its_labels(tmp_path: Path) -> None:
    records, malformed = read({"reader": "themefinder"}, folder(tmp_path))
    assert malformed == []
    assert records[0].fields == {
        "question": "Should it?",
        "themes": "A: Yes: it should",
        "response_id": 1,
        "response": "Yes.",
        "labels": "A",
        "position": "AGREE",
        "evidence_rich": "NO",
    }
    assert records[1].fields["labels"] == ""


def test_labels_without_a_response_and_responses_without_a_label_are_listed(tmp_path: Path) -> None:
    files = folder(
        tmp_path,
        sentiment=[{"response_id": n, "position": "AGREE"} for n in (1, 1, 3)],
    )
    records, malformed = read({"reader": "themefinder"}, files)
    assert [record.fields["response_id"] for record in records] == [1]
    assert [one.place for one in malformed] == ["sentiment:2", "responses:2", "sentiment:3"]
    assert "sentiment" in malformed[1].problem


@pytest.mark.parametrize("change", [{"question": {}}, {"themes": []}, {"themes": [{"topic": "x"}]}])
def test_what_is_no_question_folder_is_refused(tmp_path: Path, change: dict) -> None:
    with pytest.raises(InvalidInputError):
        read({"reader": "themefinder"}, folder(tmp_path, **change))
