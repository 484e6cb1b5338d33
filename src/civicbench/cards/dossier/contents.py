"""What stands in a dossier: every file, made from the registry and signed by who exports it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from civicbench.cards.atrs import compose_atrs, render_atrs_csv
from civicbench.cards.bom import render_bom
from civicbench.cards.dossier.readme import render_readme
from civicbench.cards.dossier.writing import Content
from civicbench.cards.html import render_html
from civicbench.cards.markdown import render_markdown
from civicbench.cards.verifier.assembling import VERIFIER_NAME, assemble_verifier
from civicbench.cards.verifier.checks import (
    MANIFEST_NAME,
    MANIFEST_SIGNATURE_NAME,
    PREDICATE_TYPE,
    WEIGHTS_KEY_NAME,
    WEIGHTS_SIGNATURE_NAME,
)
from civicbench.cards.verifier.log import LOG_NAME
from civicbench.core.digests import canonical_json, digest_bytes, digest_file, short
from civicbench.models.trained import trained_folder
from civicbench.pages.html import render_page
from civicbench.pages.markdown import render_document
from civicbench.registry.atrs.loading import load_record
from civicbench.registry.database_errors import RegistryBusyError
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.registry import Registry
from civicbench.registry.signing.dsse import sign_payload, sign_statement
from civicbench.registry.signing.keys import PersonKey, PublicKey
from civicbench.registry.signing.statements import state_provenance, state_test_results
from civicbench.registry.signing.weights import companion_key, public_pem, sign_weights
from civicbench.registry.situation import load_situation
from civicbench.registry.versions import EventFact, VersionDetail

_TRIES = 5


@dataclass(frozen=True)
class Known:
    """What a registry knows of a version at one moment.

    Attributes:
        version: The version's rows.
        evidence: Its evidence.
        measurements: What was measured on the way.
        events: The whole log.
    """

    version: VersionDetail
    evidence: Evidence
    measurements: Measurements
    events: tuple[EventFact, ...]


def collect_dossier(
    registry: Registry, reference: str, *, signer: PersonKey
) -> tuple[VersionDetail, dict[str, Content]]:
    """Return a version and every file of its dossier, by name and in the archive's order.

    Args:
        registry: The registry.
        reference: The version.
        signer: Who makes the dossier, and signs for it.

    Raises:
        NotAllowedError: The signer's key is not enrolled, or was retired.
        IntegrityError: A stored file is missing or was changed.
        RegistryBusyError: The log grew again and again while it was read.
    """
    _check_key(registry, signer)
    for _ in range(_TRIES):
        head = registry.head()
        version = registry.show(reference)
        known = Known(
            version=version,
            evidence=registry.load_evidence(version.digest),
            measurements=registry.load_measurements(version.digest),
            events=registry.events(),
        )
        contents = _collect(registry, known, signer=signer)
        if registry.head() == head:
            return version, contents
    raise RegistryBusyError(
        "others kept writing to the registry while the dossier was made",
        where=reference, remedy="try again",
    )  # fmt: skip


def _check_key(registry: Registry, signer: PersonKey) -> None:
    enrolled = registry.desk.keys(person=signer.person)
    for key in enrolled:
        if key.fingerprint == signer.public.fingerprint:
            if key.retired_at is None:
                return
            break
    raise NotAllowedError(
        f"the key {short(signer.public.fingerprint)} does not stand enrolled for {signer.person}",
        remedy="a dossier is signed with a key that the registry knows: `civicbench keys list`",
    )


def _collect(registry: Registry, known: Known, *, signer: PersonKey) -> dict[str, Content]:
    version = known.version
    files = {artefact.path: artefact.digest for artefact in version.artefacts}
    signed: dict[str, Content] = {
        "README.txt": render_readme(version).encode("utf-8"),
        VERIFIER_NAME: assemble_verifier().encode("utf-8"),
        **_documents(registry, known, files=files),
        **_attestations(known, files=files, signer=signer),
        LOG_NAME: _log(known.events),
        **_decisions(known.events, version.digest),
        **_keys(registry, known, signer=signer),
    }
    for path, place in sorted(registry.artefact_paths(version.digest).items()):
        signed[f"version/{path}"] = place
    manifest = _manifest(known, signed, files=files)
    return {
        MANIFEST_NAME: manifest,
        MANIFEST_SIGNATURE_NAME: sign_payload(manifest, signer=signer),
        **{name: signed[name] for name in sorted(signed)},
    }


def _documents(registry: Registry, known: Known, *, files: dict[str, str]) -> dict[str, Content]:
    version, evidence = known.version, known.evidence
    record = load_record(registry, version.digest)
    situation = load_situation(registry, version.digest)
    atrs = compose_atrs(record)
    texts = {
        "card.md": render_markdown(
            evidence,
            known.measurements,
            state=version.state,
            number=version.number,
            situation=situation,
        ),
        "card.html": render_html(
            evidence,
            known.measurements,
            state=version.state,
            number=version.number,
            situation=situation,
        ),
        "bom.cdx.json": render_bom(evidence, number=version.number, files=files),
        "atrs.md": render_document(atrs),
        "atrs.html": render_page(atrs),
        "atrs.csv": render_atrs_csv(record),
    }
    return {f"documents/{name}": text.encode("utf-8") for name, text in texts.items()}


def _attestations(known: Known, *, files: dict[str, str], signer: PersonKey) -> dict[str, Content]:
    evidence = known.evidence
    folder = trained_folder(evidence.training.method)
    weights = {
        path.removeprefix(f"{folder}/"): digest
        for path, digest in files.items()
        if path.startswith(f"{folder}/")
    }
    companion = companion_key(signer.private)
    provenance = state_provenance(evidence, known.measurements, files=files)
    results = state_test_results(evidence, files=files)
    return {
        "attestations/provenance.dsse.json": sign_statement(provenance, signer=signer),
        **{
            f"attestations/test-result.{suite}.dsse.json": sign_statement(result, signer=signer)
            for suite, result in results.items()
        },
        WEIGHTS_SIGNATURE_NAME: sign_weights(weights, name=folder, key=companion),
        WEIGHTS_KEY_NAME: public_pem(companion.public_key()),
    }


def _log(events: Iterable[EventFact]) -> bytes:
    """Return the log as lines, each the canonical JSON of an event."""
    lines = []
    for event in events:
        at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
        lines.append(canonical_json({**event.model_dump(mode="json"), "at": at}))
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")


def _decisions(events: Iterable[EventFact], version: str) -> dict[str, Content]:
    """Return what people signed about a version, an entry a file."""
    found: dict[str, Content] = {}
    for event in events:
        detail = json.loads(event.detail)
        if event.subject == version and detail.get("proof") is not None:
            entry = {"proof": detail["proof"], "statement": detail["statement"]}
            text = canonical_json(entry) + "\n"
            found[f"decisions/{event.sequence}.json"] = text.encode("utf-8", "surrogatepass")
    return found


def _keys(registry: Registry, known: Known, *, signer: PersonKey) -> dict[str, Content]:
    """Return the public keys of who signed something here, as PEM."""
    enrolled = registry.desk.keys()
    used = {signer.public.fingerprint}
    for event in known.events:
        if event.subject == known.version.digest:
            proof = json.loads(event.detail).get("proof")
            used |= {proof["key"]} if proof is not None else set()
    return {
        f"keys/{key.person}.{short(key.fingerprint)}.pem": PublicKey(
            bytes.fromhex(key.public_key)
        ).pem.encode("ascii")
        for key in enrolled
        if key.fingerprint in used
    }


def _manifest(known: Known, contents: dict[str, Content], *, files: dict[str, str]) -> bytes:
    digests, sizes = {}, {}
    for name, content in sorted(contents.items()):
        if isinstance(content, bytes):
            digests[name], sizes[name] = digest_bytes(content), len(content)
        else:
            digests[name], sizes[name] = digest_file(content), content.stat().st_size
    version = known.version
    last = known.events[-1]
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": digest}} for name, digest in digests.items()
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "format": 1,
            "model": version.model,
            "number": version.number,
            "version": version.digest,
            "sequence": last.sequence,
            "head": last.digest,
            "sizes": sizes,
        },
    }
    return (json.dumps(statement, indent=1, sort_keys=True) + "\n").encode("ascii")
