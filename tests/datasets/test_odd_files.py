"""Files that are not what their names say: links, pipes, cut and doubled columns."""

import io
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from tests.datasets.project import OWN, Project, pinned, row

from civicbench.core.errors import InvalidInputError

FOLDER = {"pattern": "*.jsonl", "reader": {"reader": "jsonl"}, **OWN}


def parquet(table: pyarrow.Table) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, compression="snappy")
    return stream.getvalue()


def test_a_link_out_of_the_datasets_folder_is_refused(project: Project, tmp_path: Path) -> None:
    project.declare()
    project.write_rows([row(1)])
    (project.folder / "rows.jsonl").rename(tmp_path / "private.jsonl")
    (project.folder / "rows.jsonl").symlink_to(tmp_path / "private.jsonl")
    with pytest.raises(InvalidInputError, match="link that leads out") as caught:
        project.build()
    assert str(caught.value.where).endswith("own/rows.jsonl")


def test_a_link_within_the_datasets_folder_is_followed(project: Project) -> None:
    project.declare()
    project.write_rows([row(1)])
    (project.folder / "rows.jsonl").rename(project.folder / "2026.jsonl")
    (project.folder / "rows.jsonl").symlink_to("2026.jsonl")
    assert project.build().ids == ["r1"]


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nowhere.jsonl", "link to nothing"),
        ("b.jsonl", "link to nothing"),
        ("../../x", "leads out"),
    ],
)
def test_a_folders_link_is_named_and_never_passed_over(
    project: Project, tmp_path: Path, target: str, problem: str
) -> None:
    mine = tmp_path / "a" / "mine"
    mine.mkdir(parents=True)
    project.write_rows([row(1)])
    (tmp_path / "x").write_bytes((project.folder / "rows.jsonl").read_bytes())
    (project.folder / "rows.jsonl").rename(mine / "a.jsonl")
    (mine / "b.jsonl").symlink_to(target)
    project.declare(source={"folder": str(mine), **FOLDER})
    with pytest.raises(InvalidInputError, match=problem) as caught:
        project.build()
    assert str(caught.value.where).endswith("b.jsonl")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_pipe_is_refused_and_not_waited_for(project: Project, kind: str) -> None:
    os.mkfifo(project.folder / "rows.jsonl")
    project.declare(source=None if kind == "file" else {"folder": ".", **FOLDER})
    with pytest.raises(InvalidInputError, match="not a plain file"):
        project.build()


def test_a_parquet_file_with_two_columns_of_one_name_is_refused(project: Project) -> None:
    values = [pyarrow.array([text]) for text in ("r1", "f", "What?", "It.", "Another?")]
    names = ["id", "family", "question", "answer", "question"]
    content = parquet(pyarrow.Table.from_arrays(values, names=names))
    part = project.put("https://example.org/a.parquet", content)
    project.declare(source=pinned("doubled", part, reader="parquet"))
    with pytest.raises(InvalidInputError, match="two columns have one name") as caught:
        project.build()
    assert caught.value.got == "question"


def test_a_parquet_file_that_cannot_be_read_from_its_first_row_says_why(project: Project) -> None:
    whole = parquet(pyarrow.Table.from_pylist([row(n) for n in range(5_000)]))
    damaged = whole[:40] + b"\xff" * 2_000 + whole[2_040:]
    part = project.put("https://example.org/a.parquet", damaged)
    project.declare(source=pinned("damaged", part, reader="parquet"))
    with pytest.raises(InvalidInputError, match="the dataset has no rows") as caught:
        project.build()
    assert "1 malformed; a.parquet:1: malformed record: the rows from here on" in str(caught.value)


def test_a_deeply_nested_line_is_refused_in_plain_words(project: Project) -> None:
    project.declare()
    (project.folder / "rows.jsonl").write_text('{"id": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
    with pytest.raises(InvalidInputError, match=r"rows\.jsonl:1: is nested too deeply$"):
        project.build()
