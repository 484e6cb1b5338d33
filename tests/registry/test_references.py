from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.registry.database import open_registry
from civicbench.registry.references import resolve
from civicbench.registry.registry import Registry
from civicbench.registry.tables import Model, Version
from civicbench.registry.versions import VersionSummary

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def session(registry: Registry, workspace: Workspace) -> Iterator[Session]:
    """Five versions with digests chosen to be near each other."""
    database = open_registry(workspace.registry_url)
    chosen = [
        ("enquiry-triage", 1, "abcdef1" + "0" * 57),
        ("enquiry-triage", 2, "abcdef2" + "0" * 57),
        ("enquiry-triage", 3, "f" * 64),
        ("minutes", 1, "0123456" + "0" * 57),
        ("minutes", 2, "decade" + "0" * 58),
        ("decade", 1, "9" * 64),
    ]
    with database.write() as opened:
        for name in {name for name, _, _ in chosen}:
            opened.add(Model(name=name, created_at=NOW))
        opened.flush()
        for name, number, digest in chosen:
            opened.add(
                Version(
                    digest=digest,
                    model=name,
                    number=number,
                    recipe=name,
                    base="base",
                    state="evaluated",
                    evidence_digest=digest,
                    adapter_digest=digest,
                    created_at=NOW,
                    gate_passed=True,
                )
            )
    with database.read() as opened:
        yield opened
    database.close()


@pytest.mark.parametrize(
    ("reference", "model", "number"),
    [
        ("enquiry-triage", "enquiry-triage", 3),
        ("enquiry-triage:1", "enquiry-triage", 1),
        (" minutes:1 ", "minutes", 1),
        ("abcdef1", "enquiry-triage", 1),
        ("abcdef2" + "0" * 57, "enquiry-triage", 2),
        ("ffffff", "enquiry-triage", 3),
        ("f" * 64, "enquiry-triage", 3),
        ("012345", "minutes", 1),
        ("decade:1", "decade", 1),
    ],
)
def test_a_reference_names_one_version(
    session: Session, reference: str, model: str, number: int
) -> None:
    found = resolve(session, reference=reference)
    assert (found.model, found.number) == (model, number)


def test_an_ambiguous_beginning_is_refused_with_the_candidates(session: Session) -> None:
    with pytest.raises(InvalidInputError, match="several versions") as caught:
        resolve(session, reference="abcdef")
    assert "enquiry-triage:1 (abcdef100000)" in str(caught.value)
    assert "enquiry-triage:2 (abcdef200000)" in str(caught.value)


def test_a_model_whose_name_begins_another_versions_digest_is_ambiguous(session: Session) -> None:
    with pytest.raises(InvalidInputError, match="several versions") as caught:
        resolve(session, reference="decade")
    assert "decade:1" in str(caught.value)
    assert "minutes:2" in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("enquiry-triag", "did you mean enquiry-triage?"),
        ("minuts:1", "did you mean minutes:1?"),
        ("enquiry-triage:4", "has versions 1 to 3"),
        ("enquiry-triage:0", "whole number from 1"),
        ("enquiry-triage:", "whole number from 1"),
        ("enquiry-triage:1:2", "whole number from 1"),
        ("abcde", "at least 6 characters"),
        ("abcdef9", "no digest begins so"),
        ("ABCDEF1", "known models"),
        ("%", "known models: decade, enquiry-triage, minutes"),
        ("", "known models"),
    ],
)
def test_an_unknown_reference_says_what_would_do(
    session: Session, reference: str, hint: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        resolve(session, reference=reference)
    assert hint in str(caught.value)


def test_an_empty_registry_says_how_to_fill_it(registry: Registry) -> None:
    with pytest.raises(InvalidInputError, match="no version") as caught:
        registry.show("enquiry-triage")
    assert "civicbench run RECIPE" in str(caught.value)


def test_every_way_in_shows_the_same_version(registry: Registry, version: VersionSummary) -> None:
    shown = [registry.show(name) for name in ("enquiry-triage", "enquiry-triage:1")]
    shown += [registry.show(version.digest[:count]) for count in (6, 12, 64)]
    assert {detail.digest for detail in shown} == {version.digest}
