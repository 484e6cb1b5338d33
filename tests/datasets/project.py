"""A project of a test's own with one dataset, and what its build left."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import build_snapshot, load_dataset_settings, read_record
from civicbench.datasets.record import SnapshotRecord, StepFact
from civicbench.datasets.rows import SPLITS, Row, read_split
from civicbench.datasets.steps.step import Reference

SETTINGS: dict[str, Any] = {
    "name": "own",
    "title": "Own",
    "description": "For a test.",
    "licence": "CC0-1.0",
    "languages": ["en-GB"],
    "created": "2026-11",
    "personal_data": "None.",
    "group": "family",
    "format": {"user": "{question}", "assistant": "{answer}"},
}
OWN = {"licence": "CC0-1.0", "attribution": "Us"}


@dataclass
class Built:
    """A finished snapshot, read back."""

    folder: Path
    record: SnapshotRecord
    rows: dict[str, list[Row]]
    excluded: list[dict[str, str]]

    @property
    def ids(self) -> list[str]:
        return [row.id for split in SPLITS for row in self.rows[split]]

    def step(self, name: str) -> StepFact:
        return next(step for step in self.record.steps if step.name == name)


@dataclass
class Project:
    """A project's folder with a dataset `own`, and a mirror."""

    root: Path
    mirror: Path = field(init=False)
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        (self.root / "recipes").mkdir(parents=True)
        self.mirror = self.root / "mirror"
        self.mirror.mkdir()
        self.folder = self.root / "datasets" / "own"
        self.folder.mkdir(parents=True)

    def declare(self, *, source: dict[str, Any] | None = None, **changes: Any) -> None:
        settings = {
            **SETTINGS,
            "sources": [source or {"file": "rows.jsonl", **OWN}],
            **changes,
        }
        (self.folder / "dataset.yaml").write_text(yaml.safe_dump(settings))

    def write_rows(self, rows: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (self.folder / "rows.jsonl").write_text(text)

    def put(self, url: str, content: bytes) -> dict[str, str]:
        """Put a file into the mirror, and return how a source pins it."""
        path = self.mirror / url.removeprefix("https://")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return {"url": url, "sha256": hashlib.sha256(content).hexdigest()}

    def build(self, *, references: tuple[Reference, ...] = ()) -> Built:
        output = build_snapshot(
            load_dataset_settings("own"),
            workspace=Workspace.locate(),
            reporter=Reporter(live=False),
            references=references,
        )
        lines = (output.folder / "excluded.jsonl").read_text().splitlines()
        return Built(
            output.folder,
            read_record(output.folder),
            {split: read_split(output.folder, split) for split in SPLITS},
            [json.loads(line) for line in lines],
        )


def pinned(name: str, *files: dict[str, Any], reader: str, **changes: Any) -> dict[str, Any]:
    """Return a source of pinned files of one role each."""
    return {
        "name": name,
        "reader": {"reader": reader},
        "files": [{"file": file} for file in files],
        **OWN,
        **changes,
    }


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "family": f"f{number}",
        "question": f"What does the council say about matter number {number}?",
        "answer": f"It says {number}.",
        **changes,
    }
