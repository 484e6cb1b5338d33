"""Datasets mixed into the training rows: how many, which ones, kept apart from what, told where."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import Row, read_split
from civicbench.models.rendering import Message
from civicbench.pipeline.inputs import prepare_inputs
from civicbench.pipeline.mixing import draw_rows, mixed_counts
from civicbench.pipeline.planning.making import plan_recipe
from civicbench.pipeline.running import run_recipe
from civicbench.pipeline.snapshots import mixed_snapshots, recipe_snapshot
from civicbench.recipes.loading import Recipe, load_recipe
from civicbench.recipes.settings import MixedDataset
from civicbench.registry.registry import Registry
from civicbench.training.inputs import MixedSnapshot, training_data_digest

QUIET = Reporter(live=False)


def made(number: int) -> Row:
    turns = (Message(role="user", content=f"Question {number}?"),
             Message(role="assistant", content=f"Answer {number}."))  # fmt: skip
    return Row(id=f"r{number}", group=f"g{number}", messages=turns, fields={})


class Project:
    """A folder with a dataset `extra` and a recipe `mine` that mixes it into smoke."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "recipes").mkdir(parents=True)
        (root / "datasets" / "extra").mkdir(parents=True)

    def write(self, questions: list[str], *, share: float, **changes: Any) -> Recipe:
        settings = {
            "name": "extra", "title": "Extra rows", "description": "For a test.",
            "licence": "CC0-1.0", "languages": ["cy-GB"], "created": "2026-11",
            "personal_data": "None.", "limits": ["Invented for a test."], "group": "id",
            "sources": [{"file": "rows.jsonl", "licence": "CC0-1.0", "attribution": "Us"}],
            "steps": [{"step": "decontaminate"}],
            "format": {"user": "{question}", "assistant": "Answer number {id}."},
        }  # fmt: skip
        folder = self.root / "datasets" / "extra"
        (folder / "dataset.yaml").write_text(yaml.safe_dump(settings))
        rows = [{"id": f"e{n}", "question": question} for n, question in enumerate(questions)]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        recipe = {"extends": "smoke", "name": "mine",
                  "mixing": [{"dataset": "extra", "share": share}], **changes}  # fmt: skip
        path = self.root / "recipes" / "mine.yaml"
        path.write_text(yaml.safe_dump(recipe))
        return load_recipe(str(path))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    found = Project(tmp_path / "project")
    monkeypatch.chdir(found.root)
    return found


def questions(count: int) -> list[str]:
    return [f"What is told about matter {n} on the notice board?" for n in range(count)]


@given(
    own=st.integers(1, 100_000),
    shares=st.lists(st.floats(0.001, 0.6), min_size=1, max_size=4),
)
def test_shares_are_met_to_half_a_row(own: int, shares: list[float]) -> None:
    assume(sum(shares) < 0.95)
    mixing = [MixedDataset(dataset=f"d{n}", share=share) for n, share in enumerate(shares)]
    counts = mixed_counts(own, mixing)
    whole = own / (1 - sum(shares))
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - share * whole) <= 0.5 + 1e-6 * whole
    assert own + sum(counts) == pytest.approx(whole, abs=len(shares) / 2 + 1e-6 * whole)


@given(count=st.integers(0, 30), more=st.integers(0, 30), seed=st.integers(0, 2**32 - 1))
def test_rows_are_drawn_once_by_the_seed_and_a_larger_share_keeps_them(
    count: int, more: int, seed: int
) -> None:
    rows = [made(n) for n in range(30)]
    drawn = draw_rows(rows, count, seed=seed, dataset="extra")
    assert len(drawn) == len({row.id for row in drawn}) == count
    assert {row.id for row in drawn} <= {f"extra/{row.id}" for row in rows}
    assert drawn == draw_rows(reversed(rows), count, seed=seed, dataset="extra")[::-1]
    larger = draw_rows(rows, min(count + more, 30), seed=seed, dataset="extra")
    assert {row.id for row in drawn} <= {row.id for row in larger}


def test_another_seed_draws_others() -> None:
    rows = [made(n) for n in range(100)]
    assert draw_rows(rows, 50, seed=1, dataset="d") != draw_rows(rows, 50, seed=2, dataset="d")


def test_the_digest_of_training_data_is_the_snapshots_own_without_mixing() -> None:
    one, other = MixedSnapshot("a", "1" * 64, 5), MixedSnapshot("b", "2" * 64, 5)
    digests = [
        training_data_digest("0" * 64),
        training_data_digest("0" * 64, mixed=[one]),
        training_data_digest("0" * 64, mixed=[MixedSnapshot("a", "1" * 64, 6)]),
        training_data_digest("0" * 64, mixed=[MixedSnapshot("a", "3" * 64, 5)]),
        training_data_digest("0" * 64, mixed=[one, other]),
        training_data_digest("9" * 64, mixed=[one]),
    ]
    assert digests[0] == "0" * 64
    assert len(set(digests)) == len(digests)


def test_mixed_rows_are_trained_on_and_held_out_rows_are_the_datasets_own(
    project: Project,
) -> None:
    recipe = project.write(questions(40), share=0.25)
    inputs = prepare_inputs(recipe, workspace=Workspace.locate(), reporter=QUIET)
    own = len(read_split(inputs.snapshot.folder, "train"))
    names = [row.name for row in inputs.train]
    drawn = [name for name in names if name.startswith("extra/")]
    assert len(names) == len(set(names)) == own + len(drawn)
    assert len(drawn) == round(own / 3)
    held_out = read_split(inputs.snapshot.folder, "validation")
    assert [row.name for row in inputs.held_out] == [row.id for row in held_out]


def test_too_few_rows_and_a_share_of_nothing_say_how_many(project: Project) -> None:
    recipe = project.write(questions(3), share=0.5)
    with pytest.raises(InvalidInputError) as caught:
        prepare_inputs(recipe, workspace=Workspace.locate(), reporter=QUIET)
    own = len(read_split(recipe_snapshot(recipe, workspace=Workspace.locate(),
                                         reporter=QUIET).folder, "train"))  # fmt: skip
    assert f"share 0.5 of extra is {own} rows beside {own} of smoke" in str(caught.value)
    assert "its train split has 3" in str(caught.value)
    recipe = project.write(questions(3), share=0.001)
    with pytest.raises(InvalidInputError, match="is not one row beside"):
        plan_recipe(recipe, workspace=Workspace.locate())


def test_mixed_rows_never_ask_what_a_held_out_row_asks(project: Project) -> None:
    workspace = Workspace.locate()
    recipe = project.write(questions(20), share=0.1)
    snapshot = recipe_snapshot(recipe, workspace=workspace, reporter=QUIET).folder
    held_out = [row for split in ("validation", "test") for row in read_split(snapshot, split)]
    assert held_out
    leaked = [row.messages[-2].content for row in held_out]
    recipe = project.write([*leaked, *questions(20)], share=0.1)
    (extra,) = mixed_snapshots(recipe, snapshot=snapshot, workspace=workspace, reporter=QUIET)
    asked = {row.messages[-2].content for row in read_split(extra.folder, "train")}
    assert not asked & set(leaked)
    assert asked == set(questions(20))


def test_the_plan_shows_rows_by_dataset_and_keeps_nothing(project: Project, home: Path) -> None:
    recipe = project.write(questions(40), share=0.25)
    plan = plan_recipe(recipe, workspace=Workspace.locate())
    assert not home.exists()
    own, extra = plan.data
    assert (own.dataset, extra.dataset, extra.available) == ("smoke", "extra", 40)
    assert plan.tokens.rows == own.rows + extra.rows
    assert extra.share == pytest.approx(0.25, abs=0.02)
    assert [source.name for source in plan.sources][-1] == "extra/rows.jsonl"
    assert [stage.name for stage in plan.stages][:2] == ["dataset smoke", "dataset extra"]


def test_a_run_registers_what_was_mixed_in_and_the_card_says_so(project: Project) -> None:
    workspace = Workspace.locate()
    recipe = project.write(questions(40), share=0.25)
    outcome = run_recipe(recipe, workspace=workspace, reporter=QUIET)
    with Registry.open(workspace) as registry:
        evidence = registry.load_evidence(outcome.version.digest)
    (extra,) = evidence.mixed
    assert (extra.dataset.name, extra.share) == ("extra", 0.25)
    assert evidence.training.rows == evidence.dataset.splits[0].rows + extra.rows
    assert evidence.training.snapshot_digest == evidence.training_data_digest
    assert evidence.training.snapshot_digest != evidence.dataset.digest
    card = outcome.card_markdown.read_text(encoding="utf-8")
    assert "Extra rows" in card
    assert "Invented for a test." in card
    assert "- extra\n" in card.split("---")[1]
    assert "dataset extra" in outcome.times_s
    stages = plan_recipe(recipe, workspace=workspace).stages
    assert all(stage.done for stage in stages), stages
