"""Whatever is changed in a dossier, by whomever, is caught and named."""

import io
import json
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.registry.decided import key_of
from tests.registry.factory import make_evidence

from civicbench.cards.dossier.export import ExportedDossier
from civicbench.cards.dossier.writing import write_archive
from civicbench.cards.verifier.fault import FaultError
from civicbench.cards.verifier.program import verify_dossier
from civicbench.core.digests import canonical_json, digest_bytes, digest_json
from civicbench.registry.signing.dsse import sign_payload, sign_statement
from civicbench.registry.signing.keys import PersonKey
from civicbench.registry.signing.weights import companion_key, public_pem, sign_weights

Contents = dict[str, bytes]
OWNER = key_of("olwen")
STRANGER = PersonKey("olwen", Ed25519PrivateKey.from_private_bytes(b"x" * 32))
KINDS = (
    "README.txt", "verify.py", "manifest.json", "manifest.dsse.json", "documents/card.html",
    "documents/card.md", "documents/bom.cdx.json", "documents/atrs.csv", "documents/atrs.md",
    "attestations/provenance.dsse.json", "attestations/test-result.safety-core.dsse.json",
    "attestations/weights.sigstore.json", "keys/weights.p256.pem", "log/events.jsonl",
    "version/evidence.json", "version/measurements.json",
    "version/adapter/adapter_model.safetensors", "version/adapter/adapter_config.json",
    "a key", "a decision",
)  # fmt: skip


def contents_of(path: Path) -> Contents:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def found_in(path: Path) -> FaultError:
    with pytest.raises(FaultError) as caught:
        verify_dossier(str(path), [], [], None)
    return caught.value


def written(tmp_path: Path, contents: Contents) -> Path:
    path = tmp_path / "changed.zip"
    path.unlink(missing_ok=True)
    write_archive(path, contents)
    return path


def named(contents: Contents, kind: str) -> str:
    """A file's name; for a kind of several, the first."""
    folder = {"a key": "keys/", "a decision": "decisions/"}.get(kind)
    return kind if folder is None else next(name for name in contents if name.startswith(folder))


def resigned(contents: Contents, *, signer: PersonKey = OWNER) -> Contents:
    """The contents with a manifest that names them as they are, as a dishonest exporter would."""
    manifest = json.loads(contents["manifest.json"])
    others = sorted(set(contents) - {"manifest.json", "manifest.dsse.json"})
    manifest["subject"] = [
        {"name": name, "digest": {"sha256": digest_bytes(contents[name])}} for name in others
    ]
    manifest["predicate"]["sizes"] = {name: len(contents[name]) for name in others}
    payload = json.dumps(manifest, indent=1, sort_keys=True).encode()
    return {
        "manifest.json": payload,
        "manifest.dsse.json": sign_payload(payload, signer=signer),
        **{name: contents[name] for name in others},
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_of_each_kind_of_part_is_caught_and_named(
    dossier: ExportedDossier, tmp_path: Path, kind: str
) -> None:
    contents = contents_of(dossier.path)
    name = named(contents, kind)
    for place in (0, len(contents[name]) // 2, len(contents[name]) - 1):
        changed = bytearray(contents[name])
        changed[place] ^= 1
        fault = found_in(written(tmp_path, {**contents, name: bytes(changed)}))
        # A signature says only that it does not fit what is signed.
        wanted = {"manifest.json", name} if kind == "manifest.dsse.json" else {name}
        assert fault.place in wanted


@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_or_renamed_part_of_each_kind_is_caught_and_named(
    dossier: ExportedDossier, tmp_path: Path, kind: str
) -> None:
    contents = contents_of(dossier.path)
    name = named(contents, kind)
    without = {other: content for other, content in contents.items() if other != name}
    fault = found_in(written(tmp_path, without))
    assert (fault.place, fault.problem) == (name, "is missing")
    found_in(written(tmp_path, {**without, name + ".bak": contents[name]}))


@pytest.mark.parametrize("name", [
    "documents/more.html", "version/adapter/extra.bin", "decisions/999.json", "keys/mallory.pem",
    "attestations/other.dsse.json", "hidden", "log/events2.jsonl",
])  # fmt: skip
def test_an_added_part_is_caught_and_named(
    dossier: ExportedDossier, tmp_path: Path, name: str
) -> None:
    fault = found_in(written(tmp_path, {**contents_of(dossier.path), name: b"{}"}))
    assert fault.place == name
    assert "added" in fault.problem


def test_any_byte_of_the_archive_counts_its_own_headers_too(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    content = dossier.path.read_bytes()
    chance = random.Random(7)
    with zipfile.ZipFile(dossier.path) as archive:
        headers = [
            info.header_offset + step for info in archive.infolist()[:4] for step in range(30)
        ]
        start = archive.start_dir
    places = [
        *headers,
        *range(start, start + 60),
        *range(len(content) - 22, len(content)),
        *(chance.randrange(len(content)) for _ in range(60)),
    ]
    path = tmp_path / "flipped.zip"
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        found_in(path)


@pytest.mark.parametrize("change", [
    lambda content: b"x" + content, lambda content: content + b"x", lambda content: content[:-1],
    lambda content: content[:1000], lambda content: b"", lambda content: content * 2,
    lambda content: content[:-2] + b"\x01\x00!", lambda content: b"PK\x05\x06" + bytes(18),
])  # fmt: skip
def test_an_archive_that_is_cut_or_added_to_is_caught(
    dossier: ExportedDossier, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "cut.zip"
    path.write_bytes(change(dossier.path.read_bytes()))
    found_in(path)


@pytest.mark.parametrize("name", [
    "../evil", "/etc/passwd", "version/../../evil", "a\\b", "C:evil", "a//b", "a/", "./a", "a/./b",
    "ä", "a\nb", "-rf", "version/evidence.json/x",
])  # fmt: skip
def test_path_tricks_are_caught(dossier: ExportedDossier, tmp_path: Path, name: str) -> None:
    target = io.BytesIO(dossier.path.read_bytes())
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"evil")
    path = tmp_path / "tricks.zip"
    path.write_bytes(target.getvalue())
    found_in(path)


def test_links_encryption_compression_and_doubles_are_caught(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    contents = contents_of(dossier.path)

    def packed(change: Callable[[zipfile.ZipInfo], object], double: str = "") -> Path:
        path = tmp_path / "odd.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in contents.items():
                info = zipfile.ZipInfo(name)
                info.external_attr, info.create_version = 0o100644 << 16, 45
                change(info)
                archive.writestr(info, content)
            if double:
                archive.writestr(zipfile.ZipInfo(double), b"second")
        return path

    # The very same entries by Python's own writer are a dossier; so it is the change that counts.
    assert verify_dossier(str(packed(lambda info: None)), [], [], None)["valid"]
    link = (stat.S_IFLNK | 0o777) << 16
    found_in(packed(lambda info: setattr(info, "external_attr", link)))
    found_in(packed(lambda info: setattr(info, "compress_type", zipfile.ZIP_DEFLATED)))
    found_in(packed(lambda info: setattr(info, "comment", b"hello")))
    found_in(packed(lambda info: setattr(info, "extra", b"\x01\x99\x02\x00ab")))
    found_in(packed(lambda info: setattr(info, "date_time", (2026, 1, 1, 0, 0, 0))))
    for double in ("version/evidence.json", "VERSION/evidence.json"):
        with pytest.warns(UserWarning, match="Duplicate") if double in contents else _nothing():
            path = packed(lambda info: None, double)
        assert "twice" in found_in(path).problem


class _nothing:  # noqa: N801
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_a_manifest_by_a_key_that_the_log_does_not_know_is_caught(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    contents = contents_of(dossier.path)
    contents["documents/card.md"] += b"Approved by everybody.\n"
    fault = found_in(written(tmp_path, resigned(contents, signer=STRANGER)))
    assert fault.place == "manifest.dsse.json"


def events_of(contents: Contents) -> list[dict[str, Any]]:
    return [json.loads(line) for line in contents["log/events.jsonl"].splitlines()]


def chained(events: list[dict[str, Any]]) -> bytes:
    """A log in which every link fits again, as whoever owns the database could write it."""
    previous, lines = "0" * 64, []
    for number, event in enumerate(events, start=1):
        body = {**event, "sequence": number, "previous": previous}
        del body["digest"]
        previous = digest_json(body)
        lines.append(canonical_json({**body, "digest": previous}))
    return ("\n".join(lines) + "\n").encode()


def with_log(contents: Contents, events: list[dict[str, Any]]) -> Contents:
    """The contents with another log, all of it made to fit and signed by the exporter."""
    log = chained(events)
    last = json.loads(log.splitlines()[-1])
    manifest = json.loads(contents["manifest.json"])
    manifest["predicate"] |= {"sequence": last["sequence"], "head": last["digest"]}
    return resigned(
        {**contents, "log/events.jsonl": log, "manifest.json": json.dumps(manifest).encode()}
    )


def at(events: list[dict[str, Any]], kind: str) -> int:
    return next(place for place, event in enumerate(events) if event["kind"] == kind)


def edit_statement(events: list[dict[str, Any]], kind: str, **changes: object) -> None:
    event = events[at(events, kind)]
    detail = json.loads(event["detail"])
    detail["statement"]["payload"] |= changes
    event["detail"] = canonical_json(detail)


def drop(events: list[dict[str, Any]], kind: str) -> None:
    del events[at(events, kind)]


def approve_unasked(events: list[dict[str, Any]]) -> None:
    """Nobody decided: the decision becomes an unsigned note that still takes the step."""
    event = events[at(events, "version decided")]
    detail = json.loads(event["detail"])
    detail.pop("statement"), detail.pop("proof")
    event["detail"] = canonical_json(detail)


def sign_as_stranger(events: list[dict[str, Any]]) -> None:
    """Another key enrolled for the reviewer without the owner's signature."""
    added = events[at(events, "key added")]
    payload = {"person": "rhian", "public_key": STRANGER.public.content.hex(), "possession": ""}
    events.insert(
        at(events, "version submitted"),
        {**added, "subject": "rhian", "detail": canonical_json({"payload": payload})},
    )


def grant_unsigned(events: list[dict[str, Any]]) -> None:
    changed = {"name": "eve", "grant": ["reviewer"], "withdraw": [], "accounts": []}
    event = events[at(events, "person added")]
    events.insert(
        at(events, "version submitted"),
        {**event, "kind": "person changed", "detail": canonical_json({"payload": changed})},
    )


@pytest.mark.parametrize("change", [
    lambda events: edit_statement(events, "version decided", outcome="approve", reason="Forged"),
    lambda events: edit_statement(events, "version submitted", reviewers=1, note="Forged"),
    lambda events: drop(events, "version decided"),
    lambda events: drop(events, "version submitted"),
    lambda events: drop(events, "version released"),
    lambda events: drop(events, "version registered"),
    lambda events: drop(events, "key added"),
    lambda events: drop(events, "person added"),
    approve_unasked,
    sign_as_stranger,
    grant_unsigned,
    lambda events: events.append({**events[at(events, "version released")]}),
    lambda events: events.__setitem__(0, {**events[0], "actor": "", "kind": "version released"}),
], ids=range(13))  # fmt: skip
def test_a_log_that_was_rewritten_by_whoever_exports_it_is_caught(
    dossier: ExportedDossier, tmp_path: Path, change: Callable[[list[dict[str, Any]]], object]
) -> None:
    contents = contents_of(dossier.path)
    events = events_of(contents)
    assert verify_dossier(str(written(tmp_path, with_log(contents, events))), [], [], None)["valid"]
    change(events)
    fault = found_in(written(tmp_path, with_log(contents, events)))
    assert fault.place.startswith(("log/", "decisions/", "manifest.dsse.json")), str(fault)


def test_other_weights_are_caught_though_everything_is_signed_anew(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    contents = contents_of(dossier.path)
    name = "version/adapter/adapter_model.safetensors"
    contents[name] = b"evil" + contents[name][4:]
    own = {
        file.removeprefix("version/adapter/"): digest_bytes(content)
        for file, content in contents.items()
        if file.startswith("version/adapter/")
    }
    key = companion_key(OWNER.private)
    contents["attestations/weights.sigstore.json"] = sign_weights(own, name="adapter", key=key)
    fault = found_in(written(tmp_path, resigned(contents)))
    assert (fault.place, fault.problem) == (name, "is not the file that was registered")


@pytest.mark.parametrize("name", [
    "version/evidence.json", "version/measurements.json", "documents/card.md",
    "attestations/provenance.dsse.json", "attestations/weights.sigstore.json",
    "keys/weights.p256.pem", "a key", "a decision",
])  # fmt: skip
def test_parts_that_do_not_fit_are_caught_though_the_manifest_is_signed_anew(
    dossier: ExportedDossier, tmp_path: Path, name: str
) -> None:
    contents = contents_of(dossier.path)
    other, _ = make_evidence(1)
    weights = {"adapter_config.json": "0" * 64}
    forged = {
        "version/evidence.json": canonical_json(other.model_dump(mode="json")).encode(),
        "version/measurements.json": b"{}",
        "documents/card.md": b"# Model card\n",
        "attestations/provenance.dsse.json": sign_statement(
            {"subject": [{"name": "adapter/adapter_config.json", "digest": {"sha256": "0" * 64}}]},
            signer=OWNER,
        ),
        "attestations/weights.sigstore.json": sign_weights(
            weights, name="adapter", key=companion_key(OWNER.private)
        ),
        "keys/weights.p256.pem": public_pem(companion_key(STRANGER.private).public_key()),
        "a key": STRANGER.public.pem.encode(),
        "a decision": b"{}\n",
    }
    place = named(contents, name)
    fault = found_in(written(tmp_path, resigned({**contents, place: forged[name]})))
    wanted = {"attestations/weights.sigstore.json"} if name == "keys/weights.p256.pem" else {place}
    assert fault.place in wanted


def test_attestations_by_somebody_else_are_caught(dossier: ExportedDossier, tmp_path: Path) -> None:
    contents = contents_of(dossier.path)
    contents["attestations/provenance.dsse.json"] = sign_statement({"subject": []}, signer=STRANGER)
    fault = found_in(written(tmp_path, resigned(contents)))
    assert fault.place == "attestations/provenance.dsse.json"


def test_the_dossier_of_another_version_does_not_pass_for_this_one(
    dossier: ExportedDossier,
) -> None:
    with pytest.raises(FaultError):
        verify_dossier(str(dossier.path), [], [], "0" * 64)


def signed_event(
    events: list[dict[str, Any]],
    *,
    person: str,
    key: PersonKey,
    kind: str,
    role: str,
    payload: object,
) -> dict[str, Any]:
    statement = {
        "kind": kind, "subject": person, "person": person, "role": role, "head": "0" * 64,
        "at": events[-1]["at"], "payload": payload,
    }  # fmt: skip
    proof = key.sign(
        "application/vnd.civicbench.statement.v1+json", canonical_json(statement).encode()
    ).model_dump()
    detail = canonical_json({"statement": statement, "proof": proof})
    return {**events[-1], "kind": kind, "subject": person, "actor": person, "detail": detail}


GRANT = {"name": "eve", "grant": ["reviewer"], "withdraw": [], "accounts": []}
STRANGERS_KEY = {"person": "rhian", "public_key": STRANGER.public.content.hex(), "possession": ""}


@pytest.mark.parametrize(("kind", "person", "role", "payload", "key", "said"), [
    ("person changed", None, "", GRANT, None, "not signed by anyone who may"),
    ("key added", None, "", STRANGERS_KEY, None, "not signed by anyone who may"),
    ("person changed", "eve", "evaluator", GRANT, key_of("eve"), "not signed by anyone who may"),
    ("key added", "eve", "self", STRANGERS_KEY, key_of("eve"), "not signed by anyone who may"),
    ("person changed", "olwen", "senior-responsible-owner", GRANT, key_of("eve"), "not olwen's"),
    ("person changed", "olwen", "senior-responsible-owner", GRANT, STRANGER, "was not olwen's"),
    ("person changed", "eve", "senior-responsible-owner", GRANT, key_of("eve"), "did not hold"),
    ("atrs edited", "audrey", "auditor", {"texts": {}}, key_of("audrey"), "not signed by anyone"),
    ("atrs edited", None, "", {"texts": {}}, None, "not signed by anyone who may"),
    ("atrs edited", "eve", "self", {"texts": {}}, key_of("eve"), "not signed by anyone who may"),
])  # fmt: skip
def test_an_entry_by_whom_it_may_not_be_is_caught_at_the_logs_end_too(
    dossier: ExportedDossier, tmp_path: Path, kind: str, person: str | None, role: str,
    payload: object, key: PersonKey | None, said: str,
) -> None:  # fmt: skip
    contents = contents_of(dossier.path)
    events = events_of(contents)
    if person is None or key is None:
        detail = canonical_json({"payload": payload})
        events.append({**events[-1], "kind": kind, "subject": "eve", "detail": detail})
    else:
        events.append(
            signed_event(events, person=person, key=key, kind=kind, role=role, payload=payload)
        )
    fault = found_in(written(tmp_path, with_log(contents, events)))
    assert fault.place == "log/events.jsonl"
    assert said in fault.problem


def test_a_retired_key_signs_nothing_more(dossier: ExportedDossier, tmp_path: Path) -> None:
    contents = contents_of(dossier.path)
    events = events_of(contents)
    owner = {"person": "olwen", "key": OWNER, "role": "senior-responsible-owner"}
    retired = {"key": key_of("rob").public.fingerprint, "reason": "Lost."}
    events.append(signed_event(events, kind="key retired", payload=retired, **owner))  # type: ignore[arg-type]
    assert verify_dossier(str(written(tmp_path, with_log(contents, events))), [], [], None)["valid"]
    texts = {"texts": {"team": "x"}}
    events.append(
        signed_event(
            events,
            person="rob",
            key=key_of("rob"),
            kind="atrs edited",
            role="reviewer",
            payload=texts,
        )
    )
    assert (
        "was not rob's at that time"
        in found_in(written(tmp_path, with_log(contents, events))).problem
    )


def test_an_event_that_was_changed_without_its_digest_is_caught(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    contents = contents_of(dossier.path)
    events = events_of(contents)
    place = at(events, "person added")
    events[place]["at"] = events[-1]["at"]
    log = "".join(canonical_json(event) + "\n" for event in events).encode()
    fault = found_in(written(tmp_path, resigned({**contents, "log/events.jsonl": log})))
    assert fault.problem == f"event {place + 1} was changed"


def test_no_version_takes_a_step_that_nobody_signed(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    contents = contents_of(dossier.path)
    events = events_of(contents)
    version = dossier.version.digest
    step = {"version": version, "from_state": "live", "to_state": "withdrawn"}
    detail = canonical_json({"payload": {}, "transitions": [step]})
    events.append({**events[-1], "kind": "note", "subject": version, "detail": detail})
    fault = found_in(written(tmp_path, with_log(contents, events)))
    assert "not signed by anyone who may" in fault.problem


def test_a_checksum_that_is_wrong_in_both_places_is_caught(
    dossier: ExportedDossier, tmp_path: Path
) -> None:
    with zipfile.ZipFile(dossier.path) as archive:
        crc = archive.getinfo("README.txt").CRC
    content = dossier.path.read_bytes()
    old, new = crc.to_bytes(4, "little"), (crc ^ 1).to_bytes(4, "little")
    assert content.count(old) == 2
    path = tmp_path / "checksum.zip"
    path.write_bytes(content.replace(old, new))
    assert "checksum" in found_in(path).problem
