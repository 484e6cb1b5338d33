import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.datasets.project import OWN, SETTINGS

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import Dataset, load_dataset_settings, read_record, write_snapshot
from civicbench.evaluation.items import read_file_items
from civicbench.evaluation.suites import load_suite
from civicbench.pipeline.decontaminating import dataset_references, recipe_references
from civicbench.recipes.loading import load_recipe

_SETTINGS: dict[str, Any] = {
    **SETTINGS,
    "sources": [{"file": "rows.jsonl", **OWN}],
    "group": "id",
    "steps": [{"step": "decontaminate", "suites": ["safety-core"]}],
}


def item_texts() -> list[str]:
    suite = load_suite("safety-core")
    items = read_file_items(suite.folder / suite.settings.items.file, system=None)  # type: ignore[union-attr]
    return [item.messages[-1].content for item in items if len(item.messages[-1].content) > 60]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    project = tmp_path / "project"
    (project / "recipes").mkdir(parents=True)
    (project / "datasets" / "own").mkdir(parents=True)
    monkeypatch.chdir(project)

    def write(questions: list[str], **changes: object) -> Dataset:
        folder = project / "datasets" / "own"
        (folder / "dataset.yaml").write_text(yaml.safe_dump({**_SETTINGS, **changes}))
        rows = [
            json.dumps({"id": f"r{n}", "question": question, "answer": "Yes."})
            for n, question in enumerate(questions)
        ]
        (folder / "rows.jsonl").write_text("\n".join(rows))
        return load_dataset_settings("own")

    return write


def test_rows_that_repeat_a_suite_go_and_are_listed(make: Any, tmp_path: Path) -> None:
    text = item_texts()[0]
    near = text.replace(text.split()[3], text.split()[3] + "s", 1)
    dataset = make(
        [text, text.upper() + "!", f"Please answer this: {text} Thank you.", near,
         "How do I renew my library card?"]
    )  # fmt: skip
    folder = tmp_path / "snapshot"
    folder.mkdir()
    references = dataset_references(dataset)
    write_snapshot(
        dataset, folder, workspace=Workspace.locate(), reporter=Reporter(live=False),
        references=references,
    )  # fmt: skip
    record = read_record(folder)
    assert record.kept_apart_from == ("safety-core",)
    assert sum(split.rows for split in record.splits) == 1
    listed = [json.loads(line) for line in (folder / "excluded.jsonl").read_text().splitlines()]
    assert [entry["place"] for entry in listed] == [f"rows.jsonl:{n}" for n in (1, 2, 3, 4)]
    assert {entry["reason"] for entry in listed} == {"overlaps with suite safety-core"}
    assert {entry["step"] for entry in listed} == {"decontaminate"}


def test_without_the_step_no_suite_is_read(make: Any) -> None:
    assert dataset_references(make(["What is it?"], steps=[])) == ()


def test_a_recipes_suites_are_added_to_the_datasets_own(make: Any) -> None:
    dataset = make(["What is it?"], steps=[{"step": "decontaminate"}])
    recipe = replace(load_recipe("enquiry-triage"), dataset=dataset)
    assert dataset_references(dataset) == ()
    found = {reference.suite for reference in recipe_references(recipe)}
    # Its other suite asks a split of the dataset, which is kept from training by group.
    assert found == {"safety-core"}
