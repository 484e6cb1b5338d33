"""vLLM as a recipe's engine: what does not fit is refused before work; the rest stays the same."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from tests.evaluation.scorer.vllm_site import VERSION, installed

from civicbench.core.errors import CivicbenchError, InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.ranks import Ranks
from civicbench.core.workspace import Workspace
from civicbench.evaluation.results import SuiteResult
from civicbench.evaluation.scoring import read_result
from civicbench.pipeline import inputs, noise
from civicbench.pipeline.evaluating import evaluate_recipe
from civicbench.pipeline.inputs import check_parts
from civicbench.pipeline.scoring import RecipeScores
from civicbench.recipes.loading import Recipe, load_recipe

QUIET = Reporter(live=False)


def recipe(*overrides: str, precision: str = "bfloat16") -> Recipe:
    return load_recipe(
        "smoke",
        overrides=("evaluation_engine=vllm", f"evaluation_precision={precision}", *overrides),
    )


QUANTISED = ("training.use=qlora", "training.precision=bfloat16")


@pytest.mark.parametrize(
    ("overrides", "precision", "error", "says"),
    [
        ((), "bfloat16", PartAbsentError, r"civicbench\[vllm\]"),
        ((), "float32", InvalidInputError, "evaluation_precision"),
        (QUANTISED, "bfloat16", InvalidInputError, "quantised base"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_work(
    overrides: Sequence[str],
    precision: str,
    error: type[CivicbenchError],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # bitsandbytes may be absent too; here only what concerns vLLM is asked.
    monkeypatch.setattr(
        inputs, "require_package",
        lambda name, **_: None if name == "bitsandbytes" else require(name, **_),
    )  # fmt: skip
    with pytest.raises(error, match=says):
        check_parts(recipe(*overrides, precision=precision))


require = inputs.require_package


def test_without_a_gpu_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with installed(tmp_path), pytest.raises(PartAbsentError, match="no GPU here"):
        check_parts(recipe())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with installed(tmp_path):
        check_parts(recipe())


def test_several_processes_cannot_share_it(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="several processes"):
        evaluate_recipe(
            recipe(), also=[], repeats=None, workspace=Workspace(tmp_path), reporter=QUIET,
            ranks=Ranks(rank=0, size=2),
        )  # fmt: skip


def results(scores: RecipeScores) -> list[SuiteResult]:
    outputs = [*scores.base.values(), *scores.tuned.outputs.values()]
    return [read_result(output.folder) for output in outputs]


def test_a_recipe_is_evaluated_on_it_with_the_same_results(
    smoke_home: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(smoke_home, home)
    workspace = Workspace(home)

    def evaluated(settings: Recipe, repeats: int | None) -> list[SuiteResult]:
        evaluation = evaluate_recipe(
            settings, also=[], repeats=repeats, workspace=workspace, reporter=QUIET
        )
        # Repeats on vLLM vary the batches, not the threads.
        assert all(set(record.threads) == {3} for record in evaluation.noise)
        assert bool(evaluation.noise) == (repeats is not None)
        return results(evaluation.scores)

    ours = evaluated(load_recipe("smoke"), None)
    threads = torch.get_num_threads()
    # Tiny matrices are slower on two threads than on one.
    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    monkeypatch.setattr(noise, "usable_cores", lambda: 3)
    # There is no GPU here, and the stand-in computes in float32 as the own scorer does.
    monkeypatch.setattr(inputs, "_check_vllm", lambda _: None)
    with installed(tmp_path / "site") as vllm:
        loads = len(vllm.MADE)
        theirs = evaluated(recipe(precision="float32"), 2)
        assert len(vllm.MADE) == loads + 2  # the scores, and the repeats
    monkeypatch.undo()
    torch.set_num_threads(threads)
    assert {result.engine for result in theirs} == {"vllm"}
    assert {result.packages["vllm"] for result in theirs} == {VERSION}
    for found, expected in zip(theirs, ours, strict=True):
        same = {"engine": expected.engine, "packages": expected.packages}
        assert found.model_copy(update=same) == expected
