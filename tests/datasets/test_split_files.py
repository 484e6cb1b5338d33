"""A snapshot as Parquet: the rows and the digest of the JSON lines, the same bytes each time."""

from pathlib import Path

import pyarrow.parquet
import pytest
from tests.datasets.project import Built, Project, row

from civicbench.core.errors import IntegrityError
from civicbench.core.workspace import Workspace
from civicbench.datasets import split_files
from civicbench.datasets.rows import read_split
from civicbench.datasets.snapshots import find_snapshot, read_rows
from civicbench.pipeline.snapshot_changes import compare_snapshots

ROWS = [
    row(
        1, question="Un accent: \u00e9, a tab\there, \u2028 and a \U0001f600", weight=1.0, yes=True
    ),
    row(2, none=None, count=2**62, weight=3),
    *(row(number) for number in range(3, 40)),
]
SPLIT = {"test": 0.2, "validation": 0.2}


def build(project: Project, written_as: str) -> Built:
    project.declare(written_as=written_as, split=SPLIT)
    project.write_rows(ROWS)
    return project.build()


def test_parquet_holds_the_rows_of_the_json_lines(project: Project) -> None:
    lines, parquet = build(project, "jsonl"), build(project, "parquet")
    assert parquet.rows == lines.rows
    # Equal values of other types (1 and 1.0, True and 1) are equal to Python, not to a trainer.
    assert repr(parquet.rows) == repr(lines.rows)
    assert parquet.record.digest == lines.record.digest
    assert parquet.record.splits[0].sha256 != lines.record.splits[0].sha256
    assert not list(parquet.folder.glob("train.jsonl"))
    assert read_rows(parquet.folder, "train", start=1, rows=2) == lines.rows["train"][1:3]
    changes = compare_snapshots(lines.folder, parquet.folder, examples=3)
    assert changes.same
    assert changes.changed == 0
    assert find_snapshot("own", workspace=Workspace.locate()) == parquet.folder


def test_the_same_rows_give_the_same_parquet_bytes(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_files, "_GROUP_ROWS", 7)
    first = build(project, "parquet")
    monkeypatch.setenv("CIVICBENCH_HOME", str(tmp_path / "other"))
    second = build(project, "parquet")
    assert first.folder != second.folder
    for split in ("train", "validation", "test"):
        name = f"{split}.parquet"
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    whole = pyarrow.parquet.ParquetFile(first.folder / "train.parquet")
    assert whole.num_row_groups == -(-len(first.rows["train"]) // 7)


def test_an_empty_split_has_a_file_too(project: Project) -> None:
    project.declare(written_as="parquet")
    project.write_rows(ROWS)
    built = project.build()
    assert built.rows["test"] == []
    assert pyarrow.parquet.read_metadata(built.folder / "test.parquet").num_rows == 0


def test_a_damaged_split_is_told(project: Project) -> None:
    folder = build(project, "parquet").folder
    whole = (folder / "train.parquet").read_bytes()
    (folder / "train.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IntegrityError, match="damaged Parquet"):
        read_split(folder, "train")


def test_parquet_keeps_rejected_answers(project: Project) -> None:
    rows = [row(n, worse=f"A worse answer, number {n}") for n in range(1, 20)]
    built = {}
    for written_as in ("jsonl", "parquet"):
        project.declare(
            written_as=written_as, split=SPLIT,
            format={"user": "{question}", "assistant": "{answer}", "rejected": "{worse}"},
        )  # fmt: skip
        project.write_rows(rows)
        built[written_as] = project.build()
    assert built["parquet"].rows == built["jsonl"].rows
    assert all(r.rejected for r in built["parquet"].rows["train"])
