"""Where the gate asks for it, a record that is not filled in stands in the way of a release."""

from pathlib import Path

import pytest
from tests.registry.decided import enrol
from tests.registry.factory import make_evidence, make_files

from civicbench.registry.atrs.loading import load_record
from civicbench.registry.atrs.record import edit_record, missing_fields
from civicbench.registry.chain import current_actor
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.gates import Gate, judge
from civicbench.registry.registry import Registry
from civicbench.registry.rules.records import AtrsComplete


def test_a_version_goes_live_only_with_its_record_filled_in(
    registry: Registry, tmp_path: Path
) -> None:
    keys = enrol(registry, account=current_actor())
    evidence, measurements = make_evidence(0)
    rule = AtrsComplete(
        name="record", reason="The public has to know.", kind="atrs-complete",
        may_be_open=("impact_assessments",),
    )  # fmt: skip
    gate = Gate(name="advice", title="Advice", rules=(rule,))
    evidence = evidence.model_copy(update={"gate": judge(gate, (), digest="d" * 64)})
    files = make_files(tmp_path / "files", seed=0)
    version = registry.register(evidence, measurements=measurements, files=files)
    registry.desk.do(registry.proposals.submission(version.digest), signer=keys["eve"])
    approve = registry.proposals.decision(version.digest, outcome="approve", reason="Fit.")
    registry.desk.do(approve, signer=keys["rhian"])
    release = registry.proposals.release(version.digest, alias="live", reason="Now.")
    with pytest.raises(NotAllowedError) as caught:
        registry.desk.do(release, signer=keys["olwen"])
    assert "rule record" in str(caught.value)
    assert "senior_responsible_owner" in str(caught.value)
    missing = missing_fields(load_record(registry, version.digest))
    texts = {field.key: f"About {field.title}" for field in missing}
    texts["third_party_involvement"] = "no"
    del texts["impact_assessments"]
    edit_record(registry.log, model=version.model, texts=texts, signer=keys["eve"])
    registry.desk.do(release, signer=keys["olwen"])
    assert registry.show(version.digest).state == "live"
    registry.verify()
