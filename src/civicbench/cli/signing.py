"""Options with which a person signs; a passphrase never stands on the command line."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from civicbench.registry.registry import Registry
    from civicbench.registry.signing.keys import PersonKey

_MOST_CHARACTERS = 1024


@dataclass(frozen=True)
class PassphraseSource:
    """Where a passphrase is read from: a file, a file descriptor, or the terminal."""

    file: Path | None
    descriptor: int | None

    def read(self, *, what: str, twice: bool = False) -> str:
        """Return the passphrase.

        Args:
            what: What it unlocks, for the prompt.
            twice: Whether it is new, and asked for twice at a terminal.

        Raises:
            PartAbsentError: The file or the descriptor cannot be read.
            InvalidInputError: Both were given, or it is empty.
        """
        from civicbench.core.errors import InvalidInputError, PartAbsentError

        if self.file is not None and self.descriptor is not None:
            raise InvalidInputError("give --passphrase-file or --passphrase-fd, not both")
        try:
            if self.file is not None:
                with self.file.open(encoding="utf-8") as stream:
                    text = stream.readline(_MOST_CHARACTERS)
            elif self.descriptor is not None:
                with os.fdopen(self.descriptor, encoding="utf-8", closefd=False) as stream:
                    text = stream.readline(_MOST_CHARACTERS)
            else:
                text = click.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
        except (OSError, UnicodeDecodeError) as error:
            raise PartAbsentError(
                "the passphrase cannot be read",
                where=str(self.file or f"file descriptor {self.descriptor}"),
                got=type(error).__name__,
            ) from None
        passphrase = str(text).rstrip("\r\n")
        if not passphrase:
            raise InvalidInputError("the passphrase is empty")
        return passphrase


def passphrase_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--passphrase-file` and `--passphrase-fd`; without them, the terminal is asked."""
    command = click.option(
        "--passphrase-fd", type=click.IntRange(min=0), metavar="NUMBER",
        help="Read the passphrase from this file descriptor.",
    )(command)  # fmt: skip
    return click.option(
        "--passphrase-file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Read the passphrase from the first line of this file.",
    )(command)  # fmt: skip


def signing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--as PERSON` and where the passphrase comes from."""
    return click.option(
        "--as", "person", required=True, metavar="PERSON",
        help="Who signs this, with the key in the own key folder.",
    )(passphrase_options(command))  # fmt: skip


def steward_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--as PERSON`, which is needed once somebody has to sign changes of people."""
    return click.option(
        "--as", "person", metavar="PERSON",
        help="Who signs this; needed once the registry has a senior responsible owner with a key.",
    )(passphrase_options(command))  # fmt: skip


def unlock(registry: "Registry", *, person: str, source: PassphraseSource) -> "PersonKey":
    """Return a person's key, unlocked.

    Raises:
        NotAllowedError: The registry knows nobody of that name.
        PartAbsentError: No key of theirs that may sign is here.
        InvalidInputError: The passphrase is wrong.
    """
    from civicbench.registry.signing.key_files import KeyFolder

    enrolled = {
        key.fingerprint for key in registry.desk.keys(person=person) if key.retired_at is None
    }
    folder = KeyFolder.locate()
    file = folder.find(person, enrolled=enrolled)
    return folder.unlock(file, passphrase=source.read(what=f"Passphrase of {person}'s key"))


def unlock_if_named(
    registry: "Registry", *, person: str | None, source: PassphraseSource
) -> "PersonKey | None":
    """Return the named person's key, unlocked, or None where nobody was named."""
    return None if person is None else unlock(registry, person=person, source=source)
