"""Commands on dossiers: a version with all its evidence in one archive that proves itself."""

import sys
from pathlib import Path

import click

from civicbench.cli.output import print_json
from civicbench.cli.signing import PassphraseSource, signing_options, unlock


@click.group()
def dossier() -> None:
    """Dossiers: a version and all its evidence in one archive that proves itself."""


@dossier.command("export")
@click.argument("version")
@click.option(
    "--to", "path", type=click.Path(path_type=Path),
    help="The archive, or a folder for it; the working folder where not given.",
)  # fmt: skip
@signing_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def export(
    version: str, path: Path | None, person: str, passphrase_file: Path | None,
    passphrase_fd: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Write the dossier of a registered VERSION: weights, evidence, card, decisions, log.

    The person signs for what is in it. It is checked at once as whoever receives it would. Holds
    the registry's whole log: names of people and of other models are in it.
    """
    from civicbench.cards.dossier.export import export_dossier
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        key = unlock(opened, person=person, source=PassphraseSource(passphrase_file, passphrase_fd))
        made = export_dossier(opened, version, path=path, signer=key)
    if as_json:
        print_json(
            {
                "dossier": str(made.path),
                "sha256": made.sha256,
                "files": made.files,
                "version": made.version.digest,
                "reference": made.version.reference,
                "head": made.head,
                "key": key.public.fingerprint,
            }
        )
        return
    click.echo(f"Dossier: {made.path} ({made.files} files, checked)")
    click.echo("To be given to whoever checks it, by another way than the archive:")
    click.echo(f"  --version {made.version.digest}")
    click.echo(f"  --anchor {made.head}")
    click.echo(f"  --key {key.public.fingerprint}  ({person})")


@dossier.command("verify")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="FINGERPRINT",
              help="A key that you know: something has to be signed by it.")  # fmt: skip
@click.option(
    "--anchor", "anchors", multiple=True, metavar="HEAD",
    help="A head of the log that you know, or a checkpoint's file: the log has to hold it.",
)  # fmt: skip
@click.option("--version", metavar="DIGEST", help="The version's digest, if you know it.")
@click.option("--strict", is_flag=True, help="Exit with 4 where anything was not proven.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def verify(
    path: Path, keys: tuple[str, ...], anchors: tuple[str, ...], version: str | None,
    strict: bool, as_json: bool,
) -> None:  # fmt: skip
    """Check a dossier at PATH, an archive or the folder it was unpacked to.

    The same check as the single file `verify.py` makes, which needs nothing but Python. Exits with
    6 where the dossier is not valid, and names the first file that is not.
    """
    from civicbench.cards.verifier.program import main

    arguments = [str(path)]
    arguments += [f"--key={key}" for key in keys] + [f"--anchor={head}" for head in anchors]
    arguments += [f"--version={version}"] if version is not None else []
    arguments += ["--strict"] if strict else []
    arguments += ["--json"] if as_json else []
    code = main(arguments)
    if code:
        sys.exit(code)  # what it found is printed; the code alone is left to say


@dossier.command("verifier")
@click.option("--to", "path", type=click.Path(path_type=Path), required=True,
              help="Where the file goes.")  # fmt: skip
def write_verifier(path: Path) -> None:
    """Write `verify.py`, the one file that checks a dossier with nothing but Python."""
    from civicbench.cards.verifier.assembling import assemble_verifier, verifier_digest
    from civicbench.core.files import write_text_whole

    write_text_whole(path, assemble_verifier())
    click.echo(f"Verifier: {path}\nsha256: {verifier_digest()}")
