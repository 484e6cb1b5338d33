"""Sweeps: what is declared, what is found, and who wins."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.workspace import Workspace
from civicbench.pipeline.sweeps.declaring import (
    RECORD_NAME,
    Sweep,
    declare_sweep,
    find_sweep,
    read_sweep,
)
from civicbench.pipeline.sweeps.grid import parse_grid, variations
from civicbench.pipeline.sweeps.results import SweepResult, over_seeds, read_results
from civicbench.pipeline.sweeps.running import tasks_left
from civicbench.pipeline.sweeps.task import TaskResult, result_path

WORDS = ("training.learning_rate=1e-3,5e-4", "training.rank=4,8")
COLOUR = "smoke/colour/accuracy"


def declare(
    home: Path, *words: str, seeds: int = 3, rule: str | None = f"max:{COLOUR}", **changes: Any
) -> tuple[Path, Sweep]:
    settings: dict[str, Any] = {"evaluated": True, "keep": True} | changes
    return declare_sweep(
        "smoke", words or WORDS, seeds=seeds, rule=rule, workspace=Workspace(home), **settings
    )


def note(folder: Path, sweep: Sweep, number: int, value: float | None, **more: Any) -> None:
    """Write a run's result: done with a value, or failed."""
    known: dict[str, Any] = {"state": "failed", "exit_code": 1, "error": "the loss is not finite"}
    if value is not None:
        known = {"state": "done", "measures": {COLOUR: value}}
    known |= {"number": number, "sweep_digest": sweep.digest} | more
    result = TaskResult.model_validate(known)
    write_text_whole(result_path(folder, number), result.model_dump_json())


def fill(folder: Path, sweep: Sweep, values: list[float | None]) -> SweepResult:
    for number, value in enumerate(values):
        note(folder, sweep, number, value)
    return read_results(folder, sweep)


def test_commas_part_values_but_not_within_brackets_or_quotes() -> None:
    grid = parse_grid(["a=1,2", "evaluation=[x, y],[z]", 'b={"k": 1, "l": 2}', "c='p,q',r"])
    assert grid == {
        "a": ("1", "2"),
        "evaluation": ("[x, y]", "[z]"),
        "b": ('{"k": 1, "l": 2}',),
        "c": ("'p,q'", "r"),
    }
    assert variations({"a": ("1", "2"), "b": ("x", "y")}) == [
        ("a=1", "b=x"), ("a=1", "b=y"), ("a=2", "b=x"), ("a=2", "b=y"),
    ]  # fmt: skip


@given(st.lists(st.text("abc019.", min_size=1), min_size=1, max_size=6, unique=True))
def test_a_list_of_plain_values_comes_back(values: list[str]) -> None:
    assert parse_grid([f"k={','.join(values)}"]) == {"k": tuple(values)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["training.rank"], "must read key.path=value,value"),
        (["training.rank=4,,8"], "must read key.path=value,value"),
        (["=4"], "must read key.path=value,value"),
        (["a=1", "a=2"], "is given twice"),
        (["a=1,1"], "names a value twice"),
        (["training.seed=1,2"], "--seeds"),
    ],
)
def test_what_is_no_grid_is_refused(words: list[str], says: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_grid(words)
    assert says in str(refused.value)


def test_too_many_combinations_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at most"):
        variations({key: tuple(map(str, range(100))) for key in "abc"})


def test_every_combination_is_run_with_every_seed(home: Path) -> None:
    _, sweep = declare(home)
    assert len(sweep.tasks) == 12
    assert sweep.seeds == (42, 43, 44)
    assert len({task.overrides for task in sweep.tasks}) == 12
    assert sweep.tasks[4].overrides == (
        "training.learning_rate=1e-3", "training.rank=8", "training.seed=43"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["training.rnak=4,8"], "training.rnak: unknown key; did you mean rank?"),
        (["training.rank=4,none"], "training.rank"),
        (["training.learning_rate=1e-3,0.001"], "two combinations are the same run"),
    ],
)
def test_a_mistake_in_any_combination_is_found_before_one_runs(
    home: Path, words: list[str], says: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        declare(home, *words)
    assert says in str(refused.value)
    assert not (home / "sweeps").exists()


@pytest.mark.parametrize(
    ("rule", "seeds", "says"),
    [
        (None, 3, "no rows for a held-out loss"),
        ("max:smoke/color/accuracy", 3, f"did you mean {COLOUR}?"),
        ("best", 3, "is not a rule"),
        ("max:training_loss", 3, "the highest loss is the worst"),
        ("min:training_loss:bound", 1, "one seed has no interval"),
        ("min:held_out_loss", 3, "does not measure"),
    ],
)
def test_a_rule_that_judges_nothing_is_refused(
    home: Path, rule: str | None, seeds: int, says: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        declare(home, seeds=seeds, rule=rule)
    assert says in str(refused.value)


def test_suites_that_are_not_scored_choose_nothing(home: Path) -> None:
    with pytest.raises(InvalidInputError, match="does not measure"):
        declare(home, evaluated=False)


def test_a_rule_once_declared_is_not_changed(home: Path) -> None:
    folder, first = declare(home)
    assert declare(home) == (folder, first)
    with pytest.raises(InvalidInputError) as refused:
        declare(home, rule=f"max:{COLOUR}:bound")
    assert "declared before with another rule" in str(refused.value)
    assert first.rule.text in str(refused.value)
    other, _ = declare(home, seeds=4)
    assert other != folder


def test_a_declaration_that_was_changed_by_hand_is_refused(home: Path) -> None:
    folder, _ = declare(home)
    path = folder / RECORD_NAME
    path.write_text(path.read_text().replace('"best": "max"', '"best": "min"'))
    with pytest.raises(IntegrityError, match="changed after it was made"):
        read_sweep(folder)


def test_a_sweep_is_found_by_its_beginning(home: Path) -> None:
    folder, sweep = declare(home)
    assert find_sweep(Workspace(home), "smoke-") == (folder, sweep)
    with pytest.raises(InvalidInputError, match="there is no sweep"):
        find_sweep(Workspace(home), "other")


def test_the_interval_is_students() -> None:
    values = [0.61, 0.64, 0.58, 0.66]
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 3, loc=found.mean, scale=stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    single = over_seeds([0.5])
    assert (single.mean, single.low, single.high) == (0.5, None, None)


def test_the_best_mean_wins_and_what_chance_explains_is_said(home: Path) -> None:
    folder, sweep = declare(home)
    result = fill(
        folder, sweep,
        [0.5, 0.6, 0.55, 0.8, 0.81, 0.82, 0.79, 0.85, 0.78, 0.1, 0.12, 0.11],
    )  # fmt: skip
    assert result.state == "done"
    assert result.winner == 1
    order = [variation.number for variation in result.variations]
    assert order == [1, 2, 0, 3]
    apart = {v.number: v.distinguishable for v in result.variations}
    assert apart == {1: None, 2: False, 0: True, 3: True}
    behind = next(v.behind for v in result.variations if v.number == 3)
    assert behind is not None
    assert behind.mean == pytest.approx(0.7)


def test_the_cautious_rule_chooses_by_the_worse_end_of_the_interval(home: Path) -> None:
    folder, sweep = declare(home, "training.rank=4,8", rule=f"max:{COLOUR}:bound")
    # The first has the higher mean and spreads widely.
    result = fill(folder, sweep, [0.5, 0.95, 0.95, 0.7, 0.71, 0.72])
    assert result.winner == 1


def test_equals_are_decided_by_their_order(home: Path) -> None:
    folder, sweep = declare(home, "training.rank=4,8", seeds=1)
    assert fill(folder, sweep, [0.5, 0.5]).winner == 0


def test_no_winner_is_chosen_while_runs_are_left(home: Path) -> None:
    folder, sweep = declare(home, "training.rank=4,8", seeds=1)
    note(folder, sweep, 1, 0.9)
    result = read_results(folder, sweep)
    assert (result.state, result.left, result.winner) == ("running", (0,), None)
    assert [task.number for task in tasks_left(folder, sweep)] == [0]


def test_a_combination_with_a_failed_run_cannot_win_and_the_run_is_listed(home: Path) -> None:
    folder, sweep = declare(home, "training.rank=4,8", seeds=2)
    result = fill(folder, sweep, [0.9, None, 0.4, 0.5])
    assert result.state == "done, with failures"
    assert result.winner == 1
    [failure] = result.failures
    assert failure.overrides == ("training.rank=4", "training.seed=43")
    assert "not finite" in failure.error
    assert [task.number for task in tasks_left(folder, sweep)] == [1]
    assert fill(folder, sweep, [None, 0.9, None, 0.5]).winner is None


def test_results_of_another_declaration_do_not_count(home: Path) -> None:
    folder, sweep = declare(home, "training.rank=4,8", seeds=1)
    note(folder, sweep, 0, 0.9, sweep_digest="another")
    assert read_results(folder, sweep).left == (0, 1)


def test_runs_that_were_trained_before_the_declaration_are_counted(home: Path) -> None:
    folder, sweep = declare(home, "training.rank=4,8", seeds=1)
    note(folder, sweep, 0, 0.9, trained_at="2020-01-01T00:00:00Z")
    note(folder, sweep, 1, 0.8, trained_at="2999-01-01T00:00:00Z")
    assert read_results(folder, sweep).trained_before == 1
