import json
from dataclasses import replace
from pathlib import Path

import mlcroissant
import pytest
from tests.cards.snapshots import make_record

from civicbench.cards.croissant import render_croissant
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import build_snapshot, load_dataset_settings, read_record
from civicbench.datasets.rows import read_split


@pytest.fixture(params=["jsonl", "parquet"])
def published(home: Path, request: pytest.FixtureRequest) -> Path:
    """A folder with a snapshot's rows and its Croissant description beside them."""
    smoke = load_dataset_settings("smoke")
    settings = smoke.settings.model_copy(update={"written_as": request.param})
    output = build_snapshot(
        replace(smoke, settings=settings),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
    )
    text = render_croissant(read_record(output.folder), created="2026-11")
    (output.folder / "croissant.json").write_text(text, encoding="utf-8")
    return output.folder


def test_the_reference_validator_finds_no_fault(published: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=published / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"


def test_rows_load_through_it_as_they_are(published: Path) -> None:
    dataset = mlcroissant.Dataset(jsonld=published / "croissant.json")
    loaded = list(dataset.records("test"))
    rows = read_split(published, "test")
    assert [found["test/id"].decode() for found in loaded] == [row.id for row in rows]
    turns = [(turn["test/messages/role"].decode(), turn["test/messages/content"].decode())
             for turn in loaded[0]["test/messages"]]  # fmt: skip
    assert turns == [(turn.role, turn.content) for turn in rows[0].messages]


def test_the_validator_would_see_a_fault(published: Path) -> None:
    path = published / "croissant.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "other.jsonl"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(jsonld=path)


def test_an_empty_split_is_left_out_and_every_source_is_credited() -> None:
    document = json.loads(render_croissant(make_record(), created="2026-11"))
    assert [file["@id"] for file in document["distribution"]] == ["train.jsonl", "test.jsonl"]
    [source] = document["isBasedOn"]
    assert source["creditText"] == "A ministry"
    assert source["license"] == "OGL-UK-3.0"
    assert document["license"] == [
        "https://spdx.org/licenses/MIT.html",
        "https://spdx.org/licenses/OGL-UK-3.0.html",
    ]
    assert document["rai:dataLimitations"] == ["Short.", "Old."]


def test_a_preferences_rejected_answer_loads_through_it() -> None:
    output = build_snapshot(
        load_dataset_settings("advice-preferences"),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
    )
    text = render_croissant(read_record(output.folder), created="2026-11")
    (output.folder / "croissant.json").write_text(text, encoding="utf-8")
    dataset = mlcroissant.Dataset(jsonld=output.folder / "croissant.json")
    rows = read_split(output.folder, "test")
    loaded = [found["test/rejected"].decode() for found in dataset.records("test")]
    assert loaded == [row.rejected for row in rows]
    assert "rejected" not in render_croissant(make_record(), created="2026-11")
