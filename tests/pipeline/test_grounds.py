"""What a gate judges besides results: gathered by a run, and enough to judge it again."""

import shutil
from pathlib import Path

import pytest
from tests.registry.office import Office

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.pipeline.comparing import compare_versions
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
