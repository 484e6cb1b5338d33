import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from civicbench.core.content import shipped_content_root
from civicbench.recipes.schemas import render_schemas, write_schemas

_ROOT = shipped_content_root()
_SCHEMAS = _ROOT / "configs" / "schema"
_FILES = {
    "cluster": "slurm/clusters/*.yaml",
    "recipe": "recipes/*.yaml",
    "dataset": "datasets/*/dataset.yaml",
    "training": "training/*.yaml",
    "distributed": "training/distributed/*.yaml",
    "suite": "evaluation/*/suite.yaml",
    "model": "configs/models/*.yaml",
    "gate": "configs/gates/*.yaml",
    "judge": "configs/judges/*.yaml",
    "hardware": "configs/hardware/*.yaml",
    "licence": "configs/licences/*.yaml",
    "tracker": "configs/trackers/*.yaml",
}


def validator(kind: str) -> Draft202012Validator:
    schema = json.loads((_SCHEMAS / f"{kind}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def shipped() -> Iterator[tuple[str, Path]]:
    for kind, pattern in _FILES.items():
        for path in sorted(_ROOT.glob(pattern)):
            yield kind, path


def test_the_schemas_are_current() -> None:
    found = {path.name: path.read_text(encoding="utf-8") for path in _SCHEMAS.iterdir()}
    assert found == render_schemas(), "run `make schemas`"
    assert found.keys() == {f"{kind}.json" for kind in _FILES}


def test_schemas_are_written_as_they_are_rendered(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    for name, text in render_schemas().items():
        assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_there_are_files_of_every_kind() -> None:
    assert {kind for kind, _ in shipped()} == _FILES.keys()


@pytest.mark.parametrize(
    ("kind", "path"),
    list(shipped()),
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)
def test_every_shipped_file_fits_its_schema_and_names_it(kind: str, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    data = yaml.safe_load(text)
    assert [error.message for error in validator(kind).iter_errors(data)] == []
    first = text.splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema="), "an editor finds no schema"
    named = path.parent / first.partition("$schema=")[2]
    assert named.resolve() == _SCHEMAS / f"{kind}.json"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"purpos": "x"}, "'purpos' was unexpected"),
        ({"training": {"epochs": "many"}}, "'many' is not of type 'number'"),
        ({"training": {"epochz": 1}}, "'epochz' was unexpected"),
        ({"model": 3}, "3 is not of type 'string'"),
    ],
)
def test_an_editor_is_told_of_mistakes(change: dict[str, object], says: str) -> None:
    data = yaml.safe_load((_ROOT / "recipes" / "smoke.yaml").read_text(encoding="utf-8"))
    messages = [error.message for error in validator("recipe").iter_errors({**data, **change})]
    assert any(says in message for message in messages), messages


def test_every_key_of_every_schema_has_a_text_for_its_reader() -> None:
    for name, text in render_schemas().items():
        schema = json.loads(text)
        for part in (schema, *schema.get("$defs", {}).values()):
            for key, entry in part.get("properties", {}).items():
                assert entry.get("description"), f"{name}: {key}"
