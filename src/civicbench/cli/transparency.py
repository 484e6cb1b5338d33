"""Commands on a model's Algorithmic Transparency Record (ATRS)."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table, printable
from civicbench.cli.signing import PassphraseSource, signing_options, unlock

if TYPE_CHECKING:
    from civicbench.registry.atrs.record import AtrsRecord

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_SHOWN_CHARACTERS = 300


@click.group()
def atrs() -> None:
    """A model's record for the UK Algorithmic Transparency Recording Standard."""


@atrs.command("show")
@click.argument("version")
@click.option("--missing", is_flag=True, help="Only what is still to be written.")
@_json
def show_record(version: str, missing: bool, as_json: bool) -> None:
    """Show the record of a registered VERSION, field by field.

    Each text is measured (from the evidence), a draft (proposed from it, read by nobody yet) or
    written by a person. The record belongs to the model: its next version keeps what people wrote.
    """
    from civicbench.registry.atrs.record import missing_fields, unread_drafts

    record = _load(version)
    if as_json:
        print_json(
            record.model_dump(mode="json")
            | {
                "missing": [field.key for field in missing_fields(record)],
                "drafts": [field.key for field in unread_drafts(record)],
            }
        )
        return
    print_table(
        f"ATRS record of {record.model}:{record.number}, standard {record.standard_version}",
        ("", "field", "key", "state", "text"),
        [
            (
                value.field.number,
                value.field.title,
                value.key,
                "to be written" if value.missing else value.status if value.text else "not needed",
                _short(value.text or value.field.asks),
            )
            for value in record.values
            if value.missing or not missing
        ],
    )
    click.echo(
        f"{len(missing_fields(record))} fields are still to be written, and "
        f"{len(unread_drafts(record))} drafts to be taken over or changed."
    )


@atrs.command("edit")
@click.argument("model")
@click.argument("texts", nargs=-1, metavar="[FIELD=TEXT]...")
@click.option("--from", "form", type=click.Path(path_type=Path),
              help="A filled-in form, as `atrs export` writes it.")  # fmt: skip
@click.option("--clear", multiple=True, metavar="FIELD",
              help="Take back what people wrote in a field; may be repeated.")  # fmt: skip
@signing_options
@_json
def edit_record(
    model: str, texts: tuple[str, ...], form: Path | None, clear: tuple[str, ...], person: str,
    passphrase_file: Path | None, passphrase_fd: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Write fields of the record of MODEL, as an event that the person signs.

    Measured fields cannot be edited. Texts that stand already are left out.
    """
    from civicbench.cards.atrs import read_atrs_form
    from civicbench.core.errors import InvalidInputError
    from civicbench.core.workspace import Workspace
    from civicbench.registry.atrs.loading import load_record
    from civicbench.registry.atrs.record import check_edit, missing_fields
    from civicbench.registry.atrs.record import edit_record as record_edit
    from civicbench.registry.registry import Registry

    wanted: dict[str, str | None] = dict(read_atrs_form(form)) if form is not None else {}
    for given in texts:
        key, equals, text = given.partition("=")
        if not equals:
            raise InvalidInputError("is no FIELD=TEXT", got=repr(given))
        wanted[key.strip()] = text
    wanted |= dict.fromkeys(clear, None)
    check_edit(wanted)
    with Registry.open(Workspace.locate()) as opened:
        record = load_record(opened, model)
        standing = {value.key: value.text for value in record.values if value.status == "person"}
        new = {key: text for key, text in wanted.items() if standing.get(key, "") != (text or "")}
        if new:
            source = PassphraseSource(passphrase_file, passphrase_fd)
            signer = unlock(opened, person=person, source=source)
            entry = record_edit(opened.log, model=record.model, texts=new, signer=signer)
        after = load_record(opened, record.version)
    left = [field.key for field in missing_fields(after)]
    if as_json:
        print_json(
            {
                "model": record.model,
                "written": sorted(new),
                "event": entry.event.sequence if new else None,
                "missing": left,
            }
        )
        return
    if new:
        click.echo(f"event {entry.event.sequence}: {person} wrote {', '.join(sorted(new))}")
    else:
        click.echo("nothing is new: these texts stand already")
    click.echo(f"{len(left)} fields are still to be written")


@atrs.command("export")
@click.argument("version")
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True,
              help="Folder for the files.")  # fmt: skip
def export_record(version: str, folder: Path) -> None:
    """Write the record of a registered VERSION as Markdown, HTML, CSV, and a form to fill in."""
    from civicbench.cards.atrs import write_atrs
    from civicbench.registry.atrs.record import missing_fields

    record = _load(version)
    paths = write_atrs(folder, record)
    click.echo(f"Record: {paths.markdown}\n        {paths.html}\n        {paths.csv}")
    click.echo(f"To fill in: {paths.yaml}")
    missing = missing_fields(record)
    if missing:
        click.echo(f"Not complete: {len(missing)} fields are still to be written")


def _load(version: str) -> "AtrsRecord":
    from civicbench.core.workspace import Workspace
    from civicbench.registry.atrs.loading import load_record
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        return load_record(opened, version)


def _short(text: str) -> str:
    shown = " ".join(printable(text).split())
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + " ..."
