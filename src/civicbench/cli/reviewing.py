"""Commands by which a version is submitted, decided on, released and withdrawn."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from civicbench.cli.signing import PassphraseSource, passphrase_options, unlock
from civicbench.cli.versions import registry

if TYPE_CHECKING:
    from civicbench.registry.decisions.statements import Payload
    from civicbench.registry.registry import Registry

_OUTCOMES = ("approve", "approve-with-conditions", "refuse")
_DAY = click.DateTime(formats=["%Y-%m-%d"])


def _acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add who acts, how it is signed, and the way for a key that is kept elsewhere."""
    command = click.option(
        "--prepare", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
        help="Sign nothing: write the statement to FILE and the bytes to sign to FILE.sign, "
        "for `civicbench registry record`.",
    )(command)  # fmt: skip
    return click.option(
        "--as", "person", required=True, metavar="PERSON", help="Who does this, and signs it."
    )(passphrase_options(command))


def _act(
    opened: "Registry",
    told: "Payload",
    *,
    person: str,
    source: PassphraseSource,
    prepare: Path | None,
    done: str,
) -> None:
    if prepare is None:
        event = opened.desk.do(told, signer=unlock(opened, person=person, source=source))
        click.echo(f"{done} (event {event.sequence}, signed by {person})")
        return
    from civicbench.core.files import write_bytes_whole, write_text_whole

    statement = opened.desk.prepare(told, person=person)
    to_sign = prepare.with_name(prepare.name + ".sign")
    write_text_whole(prepare, statement.text)
    write_bytes_whole(to_sign, statement.signing_bytes)
    click.echo(f"Statement: {prepare}")
    click.echo(f"To sign:   {to_sign}")


@registry.command("submit")
@click.argument("version")
@click.option("--note", default="", help="What the reviewers are told.")
@_acting
def submit_version(
    version: str,
    note: str,
    person: str,
    prepare: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Submit VERSION for review, as an engineer or evaluator."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        told = opened.proposals.submission(version, note=note)
        _act(
            opened, told, person=person, source=source, prepare=prepare,
            done=f"{version}: in review; {told.reviewers} to approve",
        )  # fmt: skip


@registry.command("assign")
@click.argument("version")
@click.argument("reviewer")
@_acting
def assign_reviewer(
    version: str,
    reviewer: str,
    person: str,
    prepare: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Ask the person REVIEWER to decide on VERSION."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        told = opened.proposals.assignment(version, reviewer=reviewer)
        _act(
            opened, told, person=person, source=source, prepare=prepare,
            done=f"{version}: {reviewer} is asked to decide",
        )  # fmt: skip


@registry.command("decide")
@click.argument("version")
@click.argument("outcome", type=click.Choice(_OUTCOMES))
@click.option("--reason", required=True, help="Why, in your own words.")
@click.option(
    "--condition", "conditions", multiple=True, metavar="TEXT", help="A condition; may be repeated."
)
@click.option(
    "--scope", "scopes", multiple=True, metavar="TEXT",
    help="Where, for whom or for which use a condition holds; one for each --condition.",
)  # fmt: skip
@click.option(
    "--until", "untils", multiple=True, type=_DAY,
    help="The first day on which a condition's approval no longer holds; one for each "
    "--condition, or none.",
)  # fmt: skip
@click.option("--expires", type=_DAY, help="The first day on which the approval no longer holds.")
@_acting
def decide_version(
    version: str,
    outcome: str,
    reason: str,
    conditions: tuple[str, ...],
    scopes: tuple[str, ...],
    untils: tuple[datetime, ...],
    expires: datetime | None,
    person: str,
    prepare: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Decide on VERSION, which is in review, as a reviewer or senior responsible owner.

    Days begin at midnight UTC. The signature is over the digest of the evidence and of weights,
    data, suites and gate: should any of them differ later, the approval no longer applies.
    """
    from datetime import UTC

    from civicbench.core.errors import InvalidInputError
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.kinds import Condition
    from civicbench.registry.registry import Registry

    if len(scopes) != len(conditions) or (untils and len(untils) != len(conditions)):
        raise InvalidInputError(
            "each --condition takes one --scope, and either each takes an --until or none does",
            got=f"{len(conditions)} conditions, {len(scopes)} scopes, {len(untils)} days",
        )
    ends: list[datetime | None] = [day.replace(tzinfo=UTC) for day in untils]
    ends = ends or [None] * len(conditions)
    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        told = opened.proposals.decision(
            version,
            outcome=_outcome(outcome),
            reason=reason,
            conditions=[
                Condition(text=text, scope=scope, expires_at=end)
                for text, scope, end in zip(conditions, scopes, ends, strict=True)
            ],
            expires_at=expires.replace(tzinfo=UTC) if expires else None,
        )
        _act(
            opened, told, person=person, source=source, prepare=prepare,
            done=f"{version}: {told.outcome}",
        )  # fmt: skip
        if prepare is None:
            standing = opened.proposals.standing(told.version)
            waits = f", waiting for {standing.waiting_for}" if standing.waiting_for else ""
            click.echo(f"{standing.reference} is {standing.state}{waits}")


def _outcome(word: str) -> Any:
    return word.replace("-", " ")


@registry.command("release")
@click.argument("version")
@click.option(
    "--alias", type=click.Choice(("live", "candidate")), default="live", show_default=True,
    help="The alias that names it from now on.",
)  # fmt: skip
@click.option("--reason", required=True, help="Why.")
@_acting
def release_version(
    version: str,
    alias: str,
    reason: str,
    person: str,
    prepare: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Make an alias name the approved VERSION, as a senior responsible owner.

    The version that was live is superseded. A superseded one may be released again, while its
    approval applies.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.deciding import check_project
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        check_project(opened, version)
        told = opened.proposals.release(version, alias=_alias(alias), reason=reason)
        _act(
            opened, told, person=person, source=source, prepare=prepare,
            done=f"{version}: {alias}",
        )  # fmt: skip


def _alias(word: str) -> Any:
    return word


@registry.command("withdraw")
@click.argument("version")
@click.option("--reason", required=True, help="Why.")
@_acting
def withdraw_version(
    version: str,
    reason: str,
    person: str,
    prepare: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Withdraw VERSION: it stays, shown as withdrawn, and no alias names it any more."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        told = opened.proposals.withdrawal(version, reason=reason)
        _act(
            opened, told, person=person, source=source, prepare=prepare,
            done=f"{version}: withdrawn",
        )  # fmt: skip


@registry.command("record")
@click.argument("statement_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("signature_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", required=True, metavar="FINGERPRINT", help="The key that signed it.")
def record_statement(statement_file: Path, signature_file: Path, key: str) -> None:
    """Record STATEMENT_FILE, written with --prepare and signed elsewhere.

    SIGNATURE_FILE holds the 64 bytes of an Ed25519 signature over FILE.sign, as
    `openssl pkeyutl -sign -rawin` writes them. Everything is checked anew.
    """
    import base64

    from civicbench.core.documents import read_yaml_mapping
    from civicbench.core.settings import parse_settings
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.statements import Statement
    from civicbench.registry.registry import Registry
    from civicbench.registry.signing.envelope import Proof

    statement = parse_settings(
        Statement, read_yaml_mapping(statement_file), where=str(statement_file)
    )
    signature = base64.b64encode(signature_file.read_bytes()[:4096]).decode("ascii")
    with Registry.open(Workspace.locate()) as opened:
        proof = Proof(key=opened.desk.find_key(key).fingerprint, signature=signature)
        event = opened.desk.record(statement, proof)
    click.echo(f"Recorded: {event.kind} by {event.actor} (event {event.sequence})")
