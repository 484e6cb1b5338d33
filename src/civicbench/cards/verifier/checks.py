"""A whole dossier: files, signatures, log and decisions against each other."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from civicbench.cards.verifier.decisions import check_decisions
from civicbench.cards.verifier.ed25519 import ed25519_holds
from civicbench.cards.verifier.fault import FaultError, sound
from civicbench.cards.verifier.log import (
    LOG_NAME,
    Log,
    Signed,
    canonical,
    decode_base64,
    signing_bytes,
)
from civicbench.cards.verifier.p256 import p256_holds, read_p256_key
from civicbench.cards.verifier.source import ArchiveSource, FolderSource, read_whole

MANIFEST_NAME = "manifest.json"
MANIFEST_SIGNATURE_NAME = "manifest.dsse.json"
WEIGHTS_KEY_NAME = "keys/weights.p256.pem"
WEIGHTS_SIGNATURE_NAME = "attestations/weights.sigstore.json"
PREDICATE_TYPE = "urn:civicbench:dossier:v1"
_VERSION_FOLDER = "version/"
_INTOTO_TYPE = "application/vnd.in-toto+json"
_ENVELOPE = re.compile(r"attestations/[A-Za-z0-9._-]+\.dsse\.json")
_DECISION = re.compile(r"decisions/([0-9]+)\.json")
_KEY = re.compile(r"keys/[a-z][a-z0-9-]*\.([0-9a-f]{12})\.pem")
_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
_NAMING_THE_VERSION = ("documents/card.md", "documents/card.html", "documents/bom.cdx.json")


class Dossier:
    """A dossier that holds together.

    Attributes:
        version: The version's digest.
        reference: MODEL:NUMBER.
        state: Where the version stands in its life.
        live: Whether it is the model's live version.
        exporter: Person and key fingerprint of who made the dossier.
        statements: What people signed about the version, oldest first.
        log: The log.
        files: How many files it has.
    """

    def __init__(self, source: ArchiveSource | FolderSource) -> None:
        payload = read_whole(source, MANIFEST_NAME)
        manifest, key = _open_manifest(payload, read_whole(source, MANIFEST_SIGNATURE_NAME))
        with sound(MANIFEST_NAME):
            digests = _check_files(source, manifest)
        told = manifest["predicate"]
        self.files = len(digests)
        self.version: str = told["version"]
        self.reference = f"{told['model']}:{told['number']}"
        self.log = Log(read_whole(source, LOG_NAME))
        self.exporter = (
            _exporter(self.log, payload, read_whole(source, MANIFEST_SIGNATURE_NAME)),
            key,
        )
        if [len(self.log.events), self.log.head] != [told["sequence"], told["head"]]:
            raise FaultError(LOG_NAME, "does not end where the manifest says")
        with sound(_VERSION_FOLDER + "evidence.json"):
            evidence = _check_version(source, self.log, manifest=told, digests=digests)
        _check_attestations(source, digests, self.log.key_of(key))
        _check_weights(source, digests, evidence)
        with sound(LOG_NAME):
            self.statements = _check_people(source, digests, self.log, self.version, evidence)
        self.state = self.log.states[self.version]
        self.live = self.log.live.get(told["model"]) == self.version
        for name in _NAMING_THE_VERSION:
            if self.version.encode("ascii") not in read_whole(source, name):
                raise FaultError(name, "is about another version")


def open_envelope(content: bytes, place: str) -> tuple[bytes, str, bytes]:
    """Return an envelope's payload, the key it names, and its signature; nothing is checked."""
    try:
        envelope = json.loads(content)
        signature = envelope["signatures"][0]
        payload = decode_base64(envelope["payload"])
        found = payload, str(signature["keyid"]), decode_base64(signature["sig"])
        again = {
            "payload": envelope["payload"],
            "payloadType": _INTOTO_TYPE,
            "signatures": [{"keyid": signature["keyid"], "sig": signature["sig"]}],
        }
    except (ValueError, KeyError, IndexError, TypeError):
        raise FaultError(place, "is no signed envelope") from None
    if canonical(again) + b"\n" != content:
        raise FaultError(place, "is no signed envelope as Civicbench writes it")
    return found


def _open_manifest(payload: bytes, signature: bytes) -> tuple[dict[str, Any], str]:
    signed, key, _ = open_envelope(signature, MANIFEST_SIGNATURE_NAME)
    if signed != payload:
        raise FaultError(MANIFEST_NAME, "is not what was signed")
    try:
        manifest: dict[str, Any] = json.loads(payload)
        told = manifest["predicate"]
        fitting = manifest["predicateType"] == PREDICATE_TYPE and told["format"] == 1
        for name in ("version", "model", "number", "sequence", "head", "sizes"):
            told[name]
    except (ValueError, KeyError, TypeError):
        fitting = False
    if not fitting:
        raise FaultError(MANIFEST_NAME, "is no manifest that this verifier knows")
    return manifest, key


def _exporter(log: Log, payload: bytes, signature: bytes) -> str:
    _, key, made = open_envelope(signature, MANIFEST_SIGNATURE_NAME)
    person, content = log.keys.get(key, ("", b""))
    if not ed25519_holds(content, made, signing_bytes(_INTOTO_TYPE, payload)):
        raise FaultError(MANIFEST_SIGNATURE_NAME, "is not signed by a key that the log knows")
    if key in log.retired:
        raise FaultError(MANIFEST_SIGNATURE_NAME, "is signed by a key that was retired")
    return person


def _check_files(source: ArchiveSource | FolderSource, manifest: dict[str, Any]) -> dict[str, str]:
    """Return each file's sha256 after comparing all of them with the manifest."""
    wanted = {one["name"]: one["digest"]["sha256"] for one in manifest["subject"]}
    present = [
        name for name in source.names() if name not in (MANIFEST_NAME, MANIFEST_SIGNATURE_NAME)
    ]
    for name in sorted({*wanted, *present}):
        if name not in wanted:
            raise FaultError(name, "was added: the manifest does not name it")
        if name not in present:
            raise FaultError(name, "is missing")
        if source.digest(name) != (wanted[name], manifest["predicate"]["sizes"].get(name)):
            raise FaultError(name, "was changed: its bytes are not those that the manifest names")
    for name in (MANIFEST_NAME, MANIFEST_SIGNATURE_NAME):
        source.digest(name)
    return wanted


def _check_version(
    source: ArchiveSource | FolderSource,
    log: Log,
    *,
    manifest: dict[str, Any],
    digests: dict[str, str],
) -> dict[str, Any]:
    """Return the evidence after comparing it with its name, the log and the version's files."""
    place = _VERSION_FOLDER + "evidence.json"
    version = manifest["version"]
    if digests.get(place) != version:
        raise FaultError(place, "is not the evidence after which the version is named")
    registration = log.registrations.get(version)
    if registration is None:
        raise FaultError(LOG_NAME, "does not register this version")
    if [registration["model"], registration["number"]] != [manifest["model"], manifest["number"]]:
        raise FaultError(MANIFEST_NAME, "calls the version by another name than the log")
    own = {
        name[len(_VERSION_FOLDER) :]: digest
        for name, digest in digests.items()
        if name.startswith(_VERSION_FOLDER)
    }
    for name in sorted({*own, *registration["artefacts"]}):
        if own.get(name) != registration["artefacts"].get(name):
            raise FaultError(_VERSION_FOLDER + name, "is not the file that was registered")
    evidence: dict[str, Any] = json.loads(read_whole(source, place))
    folder = weights_folder(evidence)
    listing = {
        name[len(folder) :]: digest for name, digest in own.items() if name.startswith(folder)
    }
    if hashlib.sha256(canonical(listing)).hexdigest() != evidence["training"]["adapter_digest"]:
        raise FaultError(_VERSION_FOLDER + folder, "are not the weights that were evaluated")
    return evidence


def weights_folder(evidence: dict[str, Any]) -> str:
    """Return the folder of the weights within the version's files, with its slash."""
    return "model/" if evidence["training"]["method"] == "full" else "adapter/"


def _check_attestations(
    source: ArchiveSource | FolderSource, digests: dict[str, str], key: bytes
) -> None:
    for name in sorted(digests):
        if not _ENVELOPE.fullmatch(name):
            continue
        payload, _, signature = open_envelope(read_whole(source, name), name)
        if not ed25519_holds(key, signature, signing_bytes(_INTOTO_TYPE, payload)):
            raise FaultError(name, "is not signed by who made the dossier")
        with sound(name):
            for subject in json.loads(payload)["subject"]:
                if digests.get(_VERSION_FOLDER + subject["name"]) != subject["digest"]["sha256"]:
                    raise FaultError(name, f"attests to another {subject['name']}")


def _check_weights(
    source: ArchiveSource | FolderSource, digests: dict[str, str], evidence: dict[str, Any]
) -> None:
    folder = _VERSION_FOLDER + weights_folder(evidence)
    pem = read_whole(source, WEIGHTS_KEY_NAME)
    try:
        point = read_p256_key(pem)
    except ValueError:
        raise FaultError(WEIGHTS_KEY_NAME, "is no P-256 public key") from None
    try:
        bundle = json.loads(read_whole(source, WEIGHTS_SIGNATURE_NAME))
        envelope = bundle["dsseEnvelope"]
        payload = decode_base64(envelope["payload"])
        signature = decode_base64(envelope["signatures"][0]["sig"])
        named = {
            one["name"]: one["digest"] for one in json.loads(payload)["predicate"]["resources"]
        }
    except (ValueError, KeyError, IndexError, TypeError):
        raise FaultError(WEIGHTS_SIGNATURE_NAME, "is no signature bundle") from None
    if not p256_holds(point, signature, signing_bytes(_INTOTO_TYPE, payload)):
        raise FaultError(WEIGHTS_SIGNATURE_NAME, "is not signed by the key beside it")
    own = {name[len(folder) :]: one for name, one in digests.items() if name.startswith(folder)}
    if named != own:
        raise FaultError(WEIGHTS_SIGNATURE_NAME, "is about other weights")


def _check_people(
    source: ArchiveSource | FolderSource,
    digests: dict[str, str],
    log: Log,
    version: str,
    evidence: dict[str, Any],
) -> list[Signed]:
    about = check_decisions(log, version, evidence)
    entries = {one.sequence: one.entry for one in about}
    for name in sorted(digests):
        decision, key = _DECISION.fullmatch(name), _KEY.fullmatch(name)
        if decision:
            entry = entries.pop(int(decision.group(1)), None)
            if entry is None or canonical(entry) + b"\n" != read_whole(source, name):
                raise FaultError(name, "is not what the log holds")
        if key:
            lines = read_whole(source, name).split(b"\n")
            content = decode_base64(b"".join(lines[1:-2]))
            fingerprint = hashlib.sha256(content[len(_ED25519_SPKI) :]).hexdigest()
            known = content.startswith(_ED25519_SPKI) and fingerprint in log.keys
            if not known or not fingerprint.startswith(key.group(1)):
                raise FaultError(name, "is no key that the log knows")
    if entries:
        raise FaultError(f"decisions/{min(entries)}.json", "is missing")
    return about
