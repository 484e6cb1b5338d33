"""What is attested has the standards' shapes, and OpenSSF's own tool accepts the weights."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as ResultProto
from in_toto_attestation.v1.statement import Statement as ReferenceStatement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementProto
from tests.registry.factory import adapter_contents, make_evidence

from civicbench.core.errors import IntegrityError
from civicbench.registry.elsewhere import TrainedElsewhere
from civicbench.registry.signing.dsse import (
    open_envelope,
    read_statement,
    sign_statement,
)
from civicbench.registry.signing.envelope import pae
from civicbench.registry.signing.keys import PersonKey
from civicbench.registry.signing.statements import state_provenance, state_test_results
from civicbench.registry.signing.weights import companion_key, public_pem, sign_weights

KEY = PersonKey("ada", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = PersonKey("bo", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def files_of(seed: int) -> dict[str, str]:
    return {
        **{
            f"adapter/{name}": hashlib.sha256(content).hexdigest()
            for name, content in adapter_contents(seed).items()
        },
        "training/metrics.jsonl": "a" * 64,
        "scores/safety-core/tuned/result.json": "b" * 64,
    }


def test_the_encoding_for_signing_is_the_one_of_the_specification() -> None:
    # The example in DSSE's protocol.md.
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_an_envelope_opens_with_its_key_alone() -> None:
    content = sign_statement({"a": [1, "é"]}, signer=KEY)
    payload = open_envelope(content, key=KEY.public, where="x")
    assert read_statement(payload, where="x") == {"a": [1, "é"]}
    assert content == sign_statement({"a": [1, "é"]}, signer=KEY)
    with pytest.raises(IntegrityError):
        open_envelope(content, key=OTHER.public, where="x")


@given(st.data())
def test_an_envelope_with_a_changed_byte_never_gives_another_payload(data: st.DataObject) -> None:
    content = bytearray(sign_statement({"weights": "good"}, signer=KEY))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        payload = open_envelope(bytes(content), key=KEY.public, where="x")
    except IntegrityError:
        return
    assert read_statement(payload, where="x") == {"weights": "good"}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"payload":"","payloadType":"x"}'])
def test_what_is_no_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        open_envelope(content, key=KEY.public, where="x")


def check_statement(statement: dict[str, object]) -> None:
    proto = StatementProto()
    json_format.ParseDict(statement, proto)
    ReferenceStatement.copy_from_pb(proto).validate()


def test_the_provenance_is_slsa_provenance_of_these_weights() -> None:
    evidence, measurements = make_evidence(3)
    statement = state_provenance(evidence, measurements, files=files_of(3))
    check_statement(statement)
    json_format.ParseDict(statement["predicate"], Provenance())
    assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == {
        path: digest for path, digest in files_of(3).items() if path.startswith("adapter/")
    }
    named = {
        one["name"]: one.get("digest", {}).get("sha256")
        for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert named["base model smollm2-135m-instruct"] == evidence.base.weights_digest
    assert named[f"dataset {evidence.dataset.name}"] == evidence.dataset.digest
    assert "torch" in named


def test_a_test_result_says_what_the_gate_said() -> None:
    for passes, expected in ((True, "PASSED"), (False, "FAILED")):
        evidence, _ = make_evidence(3, gate_passes=passes)
        results = state_test_results(evidence, files=files_of(3))
        assert set(results) == {suite.name for suite in evidence.suites}
        for name, statement in results.items():
            check_statement(statement)
            json_format.ParseDict(statement["predicate"], ResultProto())
            predicate = statement["predicate"]
            rules = [v for v in evidence.gate.rules if getattr(v.rule, "suite", "") == name]
            assert predicate["failedTests"] == [
                f"rule: {v.rule.name}" for v in rules if not v.passed
            ]
            assert predicate["passedTests"] == [f"rule: {v.rule.name}" for v in rules if v.passed]
        assert results["enquiry-triage"]["predicate"]["result"] == expected


def model_signing_verify(folder: Path, bundle: Path, key: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, "-m", "model_signing", "verify", "key", str(folder),
            "--signature", str(bundle), "--public_key", str(key),
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_openssf_model_signing_accepts_the_weights_and_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "parts").mkdir()
    contents = {**adapter_contents(1), "parts/part-1": b"1", "parts-2": b"2"}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    key = companion_key(KEY.private)
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    bundle, public = tmp_path / "adapter.sig", tmp_path / "key.pem"
    bundle.write_bytes(sign_weights(digests, name="adapter", key=key))
    public.write_bytes(public_pem(key.public_key()))
    assert bundle.read_bytes() == sign_weights(digests, name="adapter", key=key)
    done = model_signing_verify(folder, bundle, public)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "adapter_config.json").write_bytes(b"{}")
    done = model_signing_verify(folder, bundle, public)
    assert done.returncode != 0
    assert "adapter_config.json" in done.stdout + done.stderr


def test_a_companion_key_is_always_the_same_and_each_persons_own() -> None:
    first, again, other = (companion_key(key.private).private_numbers().private_value
                           for key in (KEY, KEY, OTHER))  # fmt: skip
    assert first == again != other
    # Golden: a change of the derivation would orphan every key that was published.
    assert (
        hashlib.sha256(public_pem(companion_key(KEY.private).public_key())).hexdigest()[:16]
        == "3133c88845667e7d"
    )


def test_a_bundle_is_the_json_that_sigstore_reads() -> None:
    bundle = json.loads(sign_weights({"a": "0" * 64}, name="m", key=companion_key(KEY.private)))
    assert bundle["mediaType"].endswith("v0.3+json")


def test_imported_weights_attest_to_where_they_came_from_and_to_no_training() -> None:
    evidence, measurements = make_evidence(3)
    elsewhere = TrainedElsewhere(
        origin="From a supplier", kind="adapter", said={"base": "x"}, files={"a": "c" * 64}
    )
    evidence = evidence.model_copy(update={"trained_elsewhere": elsewhere})
    statement = state_provenance(evidence, measurements, files=files_of(3))
    check_statement(statement)
    json_format.ParseDict(statement["predicate"], Provenance())
    definition = statement["predicate"]["buildDefinition"]
    assert definition["buildType"] == "urn:civicbench:import:v1"
    assert definition["externalParameters"]["origin"] == "From a supplier"
    assert "recipe" not in definition["externalParameters"]
