import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.datasets.project import OWN, SETTINGS

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import build_snapshot, load_dataset_settings
from civicbench.datasets.snapshots import find_snapshot
from civicbench.pipeline.snapshot_changes import compare_snapshots

_SETTINGS: dict[str, Any] = {
    **SETTINGS,
    "sources": [{"file": "rows.jsonl", **OWN}],
    "group": "id",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    (project / "recipes").mkdir(parents=True)
    monkeypatch.chdir(project)
    made = project / "datasets" / "own"
    made.mkdir(parents=True)
    return made


def build(folder: Path, rows: dict[str, str], **changes: object) -> Path:
    """Build a snapshot of answers by row name."""
    (folder / "dataset.yaml").write_text(yaml.safe_dump({**_SETTINGS, **changes}))
    lines = [
        json.dumps({"id": name, "question": f"What is {name}?", "answer": answer})
        for name, answer in rows.items()
    ]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    dataset = load_dataset_settings("own")
    workspace = Workspace.locate()
    return build_snapshot(dataset, workspace=workspace, reporter=Reporter(live=False)).folder


def test_every_kind_of_difference_is_counted_and_shown(folder: Path) -> None:
    first = build(folder, {"a": "one", "b": "two", "c": "three", "d": "four"})
    moved = {"validation_groups": ["d"]}
    second = build(folder, {"a": "one", "b": "TWO", "d": "four", "e": "five"}, split=moved)
    changes = compare_snapshots(first, second, examples=5)
    assert not changes.same
    counts = (changes.added, changes.removed, changes.changed, changes.moved)
    assert counts == (1, 1, 1, 1)
    shown = {kind: [(r.id, r.before, r.after) for r in rows]
             for kind, rows in changes.examples.items()}  # fmt: skip
    assert shown == {
        "added": [("e", "", "train: five")],
        "removed": [("c", "train: three", "")],
        "changed": [("b", "train: two", "train: TWO")],
        "moved": [("d", "train: four", "validation: four")],
    }
    assert [(s.split, s.before, s.after) for s in changes.splits] == [
        ("train", 4, 3), ("validation", 0, 1), ("test", 0, 0),
    ]  # fmt: skip
    [source] = changes.facts
    assert source.id == "source rows.jsonl"


def test_a_snapshot_is_the_same_as_itself(folder: Path) -> None:
    snapshot = build(folder, {"a": "one", "b": "two"})
    changes = compare_snapshots(snapshot, snapshot, examples=5)
    assert changes.same
    assert not changes.facts
    assert not any((changes.added, changes.removed, changes.changed, changes.moved))


def test_a_changed_licence_is_told_though_no_row_differs(folder: Path) -> None:
    first = build(folder, {"a": "one", "b": "two"})
    second = build(folder, {"a": "one", "b": "two"}, licence="MIT")
    changes = compare_snapshots(first, second, examples=5)
    assert changes.same
    assert [(fact.id, fact.before, fact.after) for fact in changes.facts] == [
        ("licence", "CC0-1.0", "MIT")
    ]


def test_a_snapshot_is_found_by_folder_key_digest_and_name(folder: Path) -> None:
    workspace = Workspace.locate()
    old = build(folder, {"a": "one", "b": "two"})
    new = build(folder, {"a": "one", "b": "three"})
    digest = json.loads((old / "snapshot.json").read_text())["digest"]
    for reference in (str(old), old.name, old.name[:8], digest[:8]):
        assert find_snapshot(reference, workspace=workspace) == old
    assert find_snapshot("own", workspace=workspace) == new
    with pytest.raises(InvalidInputError, match="names no finished snapshot") as caught:
        find_snapshot("owm", workspace=workspace)
    assert "own (" in str(caught.value)
