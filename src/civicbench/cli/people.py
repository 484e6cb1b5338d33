"""Commands on people: who is known to the registry, in which roles, with which keys."""

from pathlib import Path

import click

from civicbench.cli.output import print_json, print_table
from civicbench.cli.signing import (
    PassphraseSource,
    passphrase_options,
    steward_options,
    unlock_if_named,
)

_ROLES = ("engineer", "evaluator", "reviewer", "senior-responsible-owner", "auditor")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_role = click.Choice(_ROLES)


@click.group()
def people() -> None:
    """People whom the registry knows, and their roles."""


@people.command("add")
@click.argument("name")
@click.option("--full-name", required=True, help="The name for people.")
@click.option("--role", "roles", multiple=True, type=_role, help="A role; may be repeated.")
@click.option(
    "--account", "accounts", multiple=True, metavar="ACCOUNT",
    help="An account on machines that is this person's; may be repeated.",
)  # fmt: skip
@steward_options
def add_person(
    name: str,
    full_name: str,
    roles: tuple[str, ...],
    accounts: tuple[str, ...],
    person: str | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Add the person NAME (lower-case letters, digits and hyphens).

    Who registered a version is known by the account: whoever has trained or registered it does
    not decide on it.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.kinds import PersonAdded
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    told = PersonAdded.model_validate(
        {"name": name, "full_name": full_name, "accounts": accounts, "roles": roles}
    )
    with Registry.open(Workspace.locate()) as opened:
        signer = unlock_if_named(opened, person=person, source=source)
        opened.desk.do(told, signer=signer)
    click.echo(f"{name}: {', '.join(roles) or 'no role yet'}")


@people.command("list")
@_json
def list_people(as_json: bool) -> None:
    """List everybody, with roles, accounts and keys."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        found = opened.desk.people()
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    print_table(
        "",
        ("name", "full name", "roles", "accounts", "keys"),
        [
            (
                one.name, one.full_name, ", ".join(one.roles), ", ".join(one.accounts),
                ", ".join(k.fingerprint[:12] for k in one.keys if k.retired_at is None) or "none",
            )
            for one in found
        ],
    )  # fmt: skip


@people.command("roles")
@click.argument("name")
@click.option("--grant", multiple=True, type=_role, help="A role to give; may be repeated.")
@click.option("--withdraw", multiple=True, type=_role, help="A role to take away.")
@click.option(
    "--account", "accounts", multiple=True, metavar="ACCOUNT",
    help="An account that is this person's too; it stays so for ever.",
)  # fmt: skip
@steward_options
def change_roles(
    name: str,
    grant: tuple[str, ...],
    withdraw: tuple[str, ...],
    accounts: tuple[str, ...],
    person: str | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Show the roles of NAME, or change them.

    Nothing is deleted: the log keeps who held which role when.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.kinds import PersonChanged
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    told = PersonChanged.model_validate(
        {"name": name, "grant": grant, "withdraw": withdraw, "accounts": accounts}
    )
    with Registry.open(Workspace.locate()) as opened:
        if grant or withdraw or accounts:
            signer = unlock_if_named(opened, person=person, source=source)
            opened.desk.do(told, signer=signer)
        roles = opened.desk.roles(name)
    click.echo(f"{name}: {', '.join(roles) or 'no role'}")


@click.group()
def keys() -> None:
    """Keys with which people sign."""


@keys.command("new")
@click.argument("person_name", metavar="PERSON")
@click.option("--no-enrol", is_flag=True, help="Make the key's files only; enrol it elsewhere.")
@click.option(
    "--as", "person", metavar="PERSON",
    help="Who enrols it: a senior responsible owner, or PERSON with an older key.",
)  # fmt: skip
@click.option(
    "--signer-passphrase-file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The passphrase of the one who enrols it; asked for where not given.",
)  # fmt: skip
@passphrase_options
def new_key(
    person_name: str,
    no_enrol: bool,
    person: str | None,
    signer_passphrase_file: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Make a key for PERSON, locked with a passphrase, and enrol it.

    The private half stays in the user's own folder (CIVICBENCH_KEYS, or
    ~/.config/civicbench/keys), readable by nobody else; the registry knows the public half alone.
    Where somebody has to sign that the key is PERSON's and is not here, the command writes an
    enrolment file for `civicbench keys enrol`.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.people import enrolment
    from civicbench.registry.registry import Registry
    from civicbench.registry.signing.key_files import KeyFolder

    source = PassphraseSource(passphrase_file, passphrase_fd)
    if no_enrol:
        passphrase = source.read(what=f"New passphrase for {person_name}'s key", twice=True)
        made, key = KeyFolder.locate().create(person_name, passphrase=passphrase)
        path = KeyFolder.locate().write_enrolment(made, enrolment(key).model_dump_json(indent=2))
        _say_made(made.private_path, made.public_path, made.public.fingerprint)
        click.echo(f"To enrol:    civicbench keys enrol {path}")
        return
    with Registry.open(Workspace.locate()) as opened:
        opened.desk.roles(person_name)  # refuses a name that nobody has, before a key is made
        stewards = opened.desk.stewards()
        signer = unlock_if_named(
            opened, person=person, source=PassphraseSource(signer_passphrase_file, None)
        )
        passphrase = source.read(what=f"New passphrase for {person_name}'s key", twice=True)
        made, key = KeyFolder.locate().create(person_name, passphrase=passphrase)
        _say_made(made.private_path, made.public_path, made.public.fingerprint)
        told = enrolment(key)
        if signer is None and stewards:
            path = KeyFolder.locate().write_enrolment(made, told.model_dump_json(indent=2))
            click.echo(
                f"Not enrolled yet. {' or '.join(stewards)} has to sign that it is {person_name}'s:"
            )
            click.echo(f"  civicbench keys enrol {path} --as {stewards[0]}")
            return
        opened.desk.do(told, signer=signer)
    click.echo(f"Enrolled for {person_name}.")


def _say_made(private: Path, public: Path, fingerprint: str) -> None:
    click.echo(f"Fingerprint: {fingerprint}")
    click.echo(f"Private:     {private}")
    click.echo(f"Public:      {public}")


@keys.command("enrol")
@click.argument("enrolment_file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@steward_options
def enrol_key(
    enrolment_file: Path,
    person: str | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Enrol the key of ENROLMENT_FILE, which `civicbench keys new` wrote.

    Compare the fingerprint with its owner by another way before you sign.
    """
    from civicbench.core.documents import read_yaml_mapping
    from civicbench.core.settings import parse_settings
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.kinds import KeyAdded
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    told = parse_settings(KeyAdded, read_yaml_mapping(enrolment_file), where=str(enrolment_file))
    with Registry.open(Workspace.locate()) as opened:
        signer = unlock_if_named(opened, person=person, source=source)
        opened.desk.do(told, signer=signer)
    click.echo(f"Enrolled for {told.person}.")


@keys.command("list")
@click.argument("person_name", metavar="[PERSON]", required=False)
@_json
def list_keys(person_name: str | None, as_json: bool) -> None:
    """List enrolled keys, retired ones too, and whether their private half is in the own folder."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry
    from civicbench.registry.signing.key_files import KeyFolder

    here = {file.public.fingerprint for file in KeyFolder.locate().list_keys()}
    with Registry.open(Workspace.locate()) as opened:
        found = opened.desk.keys(person=person_name)
    if as_json:
        print_json(
            [one.model_dump(mode="json") | {"here": one.fingerprint in here} for one in found]
        )
        return
    print_table(
        "",
        ("fingerprint", "person", "enrolled (UTC)", "retired (UTC)", "here"),
        [
            (
                one.fingerprint[:12], one.person, f"{one.added_at:%Y-%m-%d %H:%M}",
                f"{one.retired_at:%Y-%m-%d %H:%M}" if one.retired_at else "",
                "yes" if one.fingerprint in here else "no",
            )
            for one in found
        ],
    )  # fmt: skip


@keys.command("show")
@click.argument("fingerprint")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show_key(fingerprint: str, as_json: bool) -> None:
    """Print an enrolled public key as PEM, by the beginning of its FINGERPRINT."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry
    from civicbench.registry.signing.keys import PublicKey

    with Registry.open(Workspace.locate()) as opened:
        found = opened.desk.find_key(fingerprint)
    public = PublicKey(bytes.fromhex(found.public_key))
    if as_json:
        print_json({**found.model_dump(mode="json"), "pem": public.pem})
        return
    ended = f"{found.retired_at:%Y-%m-%d %H:%M} UTC" if found.retired_at else "no"
    click.echo(f"{found.person}  {found.fingerprint}  retired: {ended}", err=True)
    click.echo(public.pem, nl=False)


@keys.command("retire")
@click.argument("fingerprint")
@click.option("--reason", required=True, help="Why.")
@steward_options
def retire_key(
    fingerprint: str,
    reason: str,
    person: str | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Retire the key with that FINGERPRINT.

    It signs nothing more; what it signed before stays signed.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.decisions.kinds import KeyRetired
    from civicbench.registry.registry import Registry

    source = PassphraseSource(passphrase_file, passphrase_fd)
    with Registry.open(Workspace.locate()) as opened:
        found = opened.desk.find_key(fingerprint)
        signer = unlock_if_named(opened, person=person, source=source)
        opened.desk.do(KeyRetired(key=found.fingerprint, reason=reason), signer=signer)
    click.echo(f"Retired: {found.fingerprint[:12]} of {found.person}")
