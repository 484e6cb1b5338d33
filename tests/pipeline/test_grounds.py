"""What a gate judges besides results: gathered by a run, and enough to judge it again."""

import shutil
from pathlib import Path

import pytest
from tests.registry.office import Office

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.results import Agreement, Estimate, JudgeFact
from civicbench.evaluation.scoring import read_result
from civicbench.pipeline.comparing import compare_versions
from civicbench.pipeline.grounds import judge_facts
from civicbench.pipeline.running import run_recipe
from civicbench.recipes.loading import load_recipe
from civicbench.registry.gates import judge
from civicbench.registry.registry import Registry

QUIET = Reporter(live=False)


@pytest.fixture
def used(smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A copy of the workspace in which the smoke recipe was run."""
    folder = Path(shutil.copytree(smoke_home, tmp_path / "used", symlinks=True))
    monkeypatch.setenv("CIVICBENCH_HOME", str(folder))
    return Workspace(folder)


def test_a_version_is_compared_with_the_one_that_is_live(used: Workspace, tmp_path: Path) -> None:
    with Registry.open(used) as registry:
        office = Office(registry, tmp_path / "files")
        office.submit("smoke:1")
        office.decide("smoke:1")
        office.release("smoke:1")
        live = registry.show("smoke:1").digest
    done = run_recipe(load_recipe("smoke", overrides=["training.seed=1"]), workspace=used,
                      reporter=QUIET)  # fmt: skip
    with Registry.open(used) as registry:
        evidence = registry.load_evidence(done.version.digest)
    assert evidence.grounds is not None
    found = evidence.grounds.live
    assert found is not None
    assert (found.version, found.reference, found.not_compared) == (live, "smoke:1", ())
    report = compare_versions(["smoke:1", "smoke:2"], workspace=used)
    (others,) = report.comparisons.values()
    assert [c.difference for c in found.comparisons] == [c.difference for c in others]
    assert [c.verdict for c in found.comparisons] == [c.verdict for c in others]


def test_the_evidence_alone_is_enough_to_judge_again(used: Workspace) -> None:
    with Registry.open(used) as registry:
        evidence = registry.load_evidence("smoke")
    grounds = evidence.grounds
    assert grounds is not None
    assert grounds.live is None
    assert {key.stage.split()[0] for key in grounds.stage_keys} == {"training", "suite"}
    assert all(key.kept == key.computed for key in grounds.stage_keys)
    assert not grounds.card_gaps
    gate = load_recipe("smoke").gate
    again = judge(gate, evidence.comparisons, digest=evidence.gate.digest, facts=evidence.facts)
    assert again.rules == evidence.gate.rules


def agreement(held_out: str, kappa: float, *, group: str = "all") -> Agreement:
    estimate = Estimate(
        value=kappa, low=kappa - 0.1, high=kappa + 0.1, items=80, method="bootstrap"
    )
    return Agreement(
        against="XSTest", held_out=held_out, group=group, items=80, accuracy=estimate,
        kappa=estimate, confusion={},
    )  # fmt: skip


def test_a_gate_judges_a_judge_by_the_answers_that_it_knew_least(smoke_home: Path) -> None:
    (folder, *_) = sorted((smoke_home / "scores").glob("*/result.json"))
    told = JudgeFact(
        name="trained", title="Trained", digest="a" * 64,
        agreements=(
            agreement("nothing", 0.99), agreement("prompt", 0.9), agreement("model", 0.8),
            agreement("model", 0.1, group="gpt4"), agreement("labelled afterwards", 0.2),
        ),
    )  # fmt: skip
    result = read_result(folder.parent).model_copy(update={"judges": (told,)})
    (found,) = judge_facts("xstest", result)
    assert (found.suite, found.kappa.value, found.labels) == ("xstest", 0.8, 80)
    unknown = told.model_copy(update={"agreements": ()})
    assert not list(judge_facts("xstest", result.model_copy(update={"judges": (unknown,)})))
