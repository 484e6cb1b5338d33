from pathlib import Path

import pytest

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import read_split
from civicbench.datasets.snapshots import find_snapshot
from civicbench.pipeline.previewing import Preview, preview_recipe
from civicbench.recipes.loading import load_recipe

QUIET = Reporter(live=False)


def preview(smoke_home: Path, *, rows: int = 3, start: int = 0) -> Preview:
    return preview_recipe(
        load_recipe("smoke"),
        split="train",
        rows=rows,
        start=start,
        workspace=Workspace(smoke_home),
        reporter=Reporter(live=False),
    )


def test_exactly_the_answer_and_its_end_are_trained_on(smoke_home: Path) -> None:
    shown = preview(smoke_home)
    rows = read_split(find_snapshot("smoke", workspace=Workspace(smoke_home)), "train")
    assert [row.id for row in shown.rows] == [row.id for row in rows[:3]]
    for row, source in zip(shown.rows, rows, strict=False):
        prompt, answer = row.spans
        assert not prompt.trained
        assert answer.trained
        assert answer.text == f"{source.messages[-1].content}<|im_end|>"
        assert source.messages[-2].content in prompt.text
        assert source.messages[-1].content not in prompt.text.split("user")[-1]
        assert [token.trained for token in row.tokens] == sorted(t.trained for t in row.tokens)


def test_what_all_rows_begin_with_is_told_and_stands_in_each(smoke_home: Path) -> None:
    shown = preview(smoke_home, rows=6)
    (shared,) = {row.shared_tokens for row in shown.rows}
    beginnings = [[token.id for token in row.tokens[:shared]] for row in shown.rows]
    assert shared > 10  # they have a system turn in common
    assert beginnings == [beginnings[0]] * 6
    alone = preview(smoke_home, rows=1, start=5).rows[0]
    assert alone.shared_tokens == 0
    assert alone.tokens == shown.rows[5].tokens


def test_rows_can_be_passed_over_and_their_end_is_told(smoke_home: Path) -> None:
    assert preview(smoke_home, rows=1, start=2).rows[0].id == preview(smoke_home).rows[2].id
    with pytest.raises(InvalidInputError, match="no row to show"):
        preview(smoke_home, start=10_000)


def test_a_preference_is_shown_as_two_rows_with_one_prompt(home: Path) -> None:
    recipe = load_recipe(
        "advice-preferences", overrides=["model=tiny-random", "training.max_length_tokens=2048"]
    )
    shown = preview_recipe(
        recipe, split="train", rows=1, start=0, workspace=Workspace(home), reporter=QUIET
    )
    chosen, rejected = shown.rows
    assert chosen.id.endswith(" (chosen)")
    assert rejected.id == chosen.id.replace("(chosen)", "(rejected)")
    assert chosen.spans[0] == rejected.spans[0]
    (row,) = [
        row
        for row in read_split(find_snapshot("advice-preferences", workspace=Workspace(home)),
                              "train")
        if row.id == chosen.id.removesuffix(" (chosen)")
    ]  # fmt: skip
    assert rejected.spans[1].text == f"{row.rejected}<|im_end|>"
    assert chosen.spans[1].text == f"{row.messages[-1].content}<|im_end|>"
