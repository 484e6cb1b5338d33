"""Sources: pinned files, hub datasets, folders, archives; nothing is opened that need not be."""

import io
import json
import socket
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.datasets.project import OWN, Project, pinned, row

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.settings import check_settings
from civicbench.datasets.settings import DatasetSettings

URL = "https://example.org/data/rows.jsonl"


def jsonl(*numbers: int) -> bytes:
    return "".join(json.dumps(row(number)) + "\n" for number in numbers).encode()


def csv(*numbers: int) -> bytes:
    lines = [",".join(row(0))]
    lines += [",".join(f'"{value}"' for value in row(number).values()) for number in numbers]
    return "\n".join(lines).encode()


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every socket and every name look-up an error."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a socket was opened")

    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)


@pytest.mark.usefixtures("no_sockets")
def test_offline_a_dataset_is_built_from_the_mirror_without_a_socket(project: Project) -> None:
    project.declare(source=pinned("council", project.put(URL, jsonl(1, 2)), reader="jsonl"))
    built = project.build()
    assert built.ids == ["r1", "r2"]
    [source] = built.record.sources
    assert (source.name, source.rows, source.files[0].name) == ("council", 2, URL)


@pytest.mark.usefixtures("no_sockets")
def test_offline_a_missing_file_is_named_and_no_socket_is_tried(
    project: Project, home: Path
) -> None:
    part = project.put(URL, jsonl(1))
    (project.mirror / "example.org/data/rows.jsonl").unlink()
    project.declare(source=pinned("council", part, reader="jsonl"))
    with pytest.raises(PartAbsentError, match="offline mode is on") as caught:
        project.build()
    assert caught.value.where == URL
    assert list((home / "snapshots").iterdir()) == []


def test_a_mirror_file_with_a_wrong_digest_stops_the_build(project: Project, home: Path) -> None:
    part = project.put(URL, jsonl(1))
    project.put(URL, jsonl(1, 2))
    project.declare(source=pinned("council", part, reader="jsonl"))
    with pytest.raises(IntegrityError, match="is not the file that was pinned") as caught:
        project.build()
    assert "example.org/data/rows.jsonl" in str(caught.value.where)
    assert list((home / "snapshots").iterdir()) == []


def test_a_source_that_vanishes_is_named(project: Project) -> None:
    project.declare()
    project.write_rows([row(1)])
    project.build()
    (project.folder / "rows.jsonl").unlink()
    with pytest.raises(PartAbsentError, match="no such file"):
        project.build()


def test_files_in_pairs_get_a_role_each_and_a_base(project: Project) -> None:
    en = project.put("https://example.org/i18n/en.json", b'{"a": "Yes", "b": "No", "c": "Go"}')
    cy = project.put("https://example.org/i18n/cy.json", b'{"a": "Ie", "b": "Na"}')
    for part in (en, cy):
        part["url"] = part["url"].removeprefix("https://example.org/")
    source = {"name": "words", "base": "https://example.org/", "reader": {"reader": "json-locale"},
              "files": [{"en": en, "cy": cy}], "fields": {"service": "demo"}, **OWN}  # fmt: skip
    project.declare(
        source=source, identifier="{service}/{key}", group="service",
        format={"user": "{en}", "assistant": "{cy}"},
    )  # fmt: skip
    built = project.build()
    assert built.ids == ["demo/a", "demo/b"]
    assert [(e["place"], e["reason"]) for e in built.excluded] == [
        ("en.json#/c", "the field 'cy' is missing")
    ]


@pytest.mark.parametrize(
    ("name", "reader", "content"),
    [("b.jsonl", "jsonl", jsonl(3, 4)), ("b.csv", "csv", csv(3, 4))],
)
def test_a_folder_of_the_users_own_is_read_in_the_order_of_names(
    project: Project, tmp_path: Path, name: str, reader: str, content: bytes
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / name).write_bytes(content)
    (folder / name.replace("b.", "a.")).write_bytes(jsonl(1) if reader == "jsonl" else csv(1))
    (folder / "notes.txt").write_text("not data")
    source = {"folder": str(folder), "pattern": f"*.{reader}", "reader": {"reader": reader}, **OWN}
    project.declare(source=source)
    built = project.build()
    assert built.ids == ["r1", "r3", "r4"]
    # No other machine has the same path.
    assert str(tmp_path) not in (built.folder / "snapshot.json").read_text()


def test_a_folder_of_parquet_is_read(project: Project, tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.Table.from_pylist([row(1), row(2)])
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    source = {"folder": str(tmp_path), "pattern": "*.parquet", "reader": {"reader": "parquet"}}
    project.declare(source={**source, **OWN})
    assert project.build().ids == ["r1", "r2"]


def test_a_changed_file_of_a_folder_is_another_snapshot(project: Project, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl(1))
    source = {"folder": str(tmp_path), "pattern": "*.jsonl", "reader": {"reader": "jsonl"}, **OWN}
    project.declare(source=source)
    first = project.build()
    (tmp_path / "a.jsonl").write_bytes(jsonl(1, 2))
    assert project.build().folder != first.folder


def test_two_folders_are_told_apart_by_names(project: Project, tmp_path: Path) -> None:
    sources = []
    for number, part in enumerate(("one", "two")):
        (tmp_path / part / "data").mkdir(parents=True)
        (tmp_path / part / "data" / "a.jsonl").write_bytes(jsonl(number))
        sources.append({"folder": str(tmp_path / part / "data"), "pattern": "*.jsonl",
                        "reader": {"reader": "jsonl"}, **OWN})  # fmt: skip
    project.declare(sources=sources)
    with pytest.raises(InvalidInputError, match=r"two sources have one name: data/\*.jsonl"):
        project.build()
    project.declare(sources=[{**source, "name": f"s{n}"} for n, source in enumerate(sources)])
    first = project.build()
    assert first.ids == ["r0", "r1"]
    (tmp_path / "one/data/a.jsonl").write_bytes(jsonl(2))
    assert project.build().ids == ["r2", "r1"]


def test_a_folder_that_is_absent_or_without_a_fitting_file_is_refused(
    project: Project, tmp_path: Path
) -> None:
    source = {"folder": str(tmp_path / "none"), "reader": {"reader": "jsonl"}, **OWN}
    project.declare(source=source)
    with pytest.raises(PartAbsentError, match="folder is not there"):
        project.build()
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidInputError, match="no file fits"):
        project.build()


def test_a_hub_dataset_is_pinned_by_revision_and_refused_offline(project: Project) -> None:
    part = project.put("https://huggingface.co/datasets/o/n/resolve/" + "c" * 40 + "/d/a.jsonl",
                       jsonl(1))  # fmt: skip
    source = {"hub": "o/n", "revision": "c" * 40, "reader": {"reader": "jsonl"},
              "files": [{"file": "d/a.jsonl", "sha256": part["sha256"]}], **OWN}  # fmt: skip
    project.declare(source=source)
    assert project.build().record.sources[0].name == f"o/n@{'c' * 12}"
    source["revision"] = "d" * 40
    project.declare(source=source)
    with pytest.raises(PartAbsentError, match="offline mode is on") as caught:
        project.build()
    assert caught.value.where == f"https://huggingface.co/datasets/o/n/resolve/{'d' * 40}/d/a.jsonl"


def test_a_member_of_a_pinned_archive_is_read(project: Project) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data/rows.jsonl", jsonl(1, 2))
    part = project.put("https://example.org/all.zip", packed.getvalue())
    project.declare(source=pinned("packed", {**part, "member": "data/rows.jsonl"}, reader="jsonl"))
    built = project.build()
    assert built.ids == ["r1", "r2"]
    assert built.record.sources[0].files[0].name == "https://example.org/all.zip!data/rows.jsonl"


def test_a_zip_slip_stops_the_build(project: Project, home: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../escape", b"x")
        archive.writestr("rows.jsonl", jsonl(1))
    part = project.put("https://example.org/all.zip", packed.getvalue())
    project.declare(source=pinned("packed", {**part, "member": "rows.jsonl"}, reader="jsonl"))
    with pytest.raises(InvalidInputError, match="a path that leaves its folder"):
        project.build()
    assert not (home / "downloads").exists() or not list((home / "downloads").rglob("*escape*"))
    assert list((home / "snapshots").iterdir()) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"file": "a.csv", **OWN}, "needs a `reader`"),
        ({"file": "../a.jsonl", **OWN}, "sources.0.file"),
        ({"file": "rows.jsonl", "attribution": "Us"}, "licence: missing"),
        ({"file": "rows.jsonl", "licence": " ", "attribution": "Us"}, "licence"),
        ({"file": "rows.jsonl", "licence": "MIT"}, "attribution: missing"),
        ({"hub": "o/n", "revision": "main", "files": [], "reader": {"reader": "csv"}, **OWN},
         "revision"),
        ({"name": "x", "reader": {"reader": "json-locale"},
          "files": [{"file": {"url": URL, "sha256": "0" * 64}}], **OWN},
         "the reader needs a file for en, cy, and is given file"),
        ({"name": "x", "reader": {"reader": "csv"}, "files": [{"file": {"url": URL}}], **OWN},
         "sha256: missing"),
        ({"name": "x", "reader": {"reader": "csv"},
          "files": [{"file": {"url": "http://example.org/a", "sha256": "0" * 64}}], **OWN},
         "must begin with https://"),
        ({"name": "x", "reader": {"reader": "csv"},
          "files": [{"file": {"url": URL, "sha256": "0" * 64, "member": "../a"}}], **OWN},
         "must be a path within"),
        ({"name": "x", "reader": {"reader": "pickle"}, "files": [], **OWN}, "reader"),
        ({"folder": "x", "pattern": "../*", "reader": {"reader": "csv"}, **OWN}, "pattern"),
    ],
)  # fmt: skip
def test_a_source_with_a_mistake_is_refused_with_its_place(
    source: dict[str, Any], says: str
) -> None:
    from tests.datasets.project import SETTINGS

    value, mistakes = check_settings(DatasetSettings, {**SETTINGS, "sources": [source]})
    assert value is None
    assert any(says in mistake for mistake in mistakes), mistakes
