"""Private keys as files: in the user's own folder, locked, read by nobody else."""

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from civicbench.core.digests import short
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.files import disk_errors_explained, sync_folder
from civicbench.registry.signing.keys import PersonKey, PublicKey

MINIMUM_PASSPHRASE_CHARACTERS = 8
PERSON = re.compile(r"[a-z][a-z0-9-]{0,62}")
"""A person's name in the registry."""
_PRIVATE_ENDING = ".key.pem"
_PUBLIC_ENDING = ".pub.pem"
_FOLDER_MODE = 0o700
_PRIVATE_MODE = 0o600


@dataclass(frozen=True)
class KeyFile:
    """A key in the user's folder, locked.

    Attributes:
        person: Whose it is.
        public: Its public half.
        private_path: Where the locked private half stands.
        public_path: Where the public half stands, to be handed to whoever enrols it.
    """

    person: str
    public: PublicKey
    private_path: Path
    public_path: Path


class KeyFolder:
    """The user's own folder of keys, outside every registry.

    Args:
        folder: The folder; made at the first key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def locate(cls) -> "KeyFolder":
        """Return `$CIVICBENCH_KEYS`, or `civicbench/keys` in the user's configuration folder."""
        named = os.environ.get("CIVICBENCH_KEYS")
        if named:
            return cls(Path(named).expanduser().resolve())
        configuration = os.environ.get("XDG_CONFIG_HOME")
        parent = Path(configuration) if configuration else Path.home() / ".config"
        return cls(parent / "civicbench" / "keys")

    def list_keys(self, *, person: str | None = None) -> list[KeyFile]:
        """Return every key, or one person's, by person and fingerprint."""
        found = []
        for path in sorted(self.folder.glob(f"*{_PUBLIC_ENDING}")):
            stem = path.name.removesuffix(_PUBLIC_ENDING)
            whose, dot, _ = stem.rpartition(".")
            if not dot or (person is not None and whose != person):
                continue
            found.append(
                KeyFile(
                    person=whose,
                    public=PublicKey.from_pem(path.read_text("utf-8"), where=str(path)),
                    private_path=self.folder / f"{stem}{_PRIVATE_ENDING}",
                    public_path=path,
                )
            )
        return found

    def create(self, person: str, *, passphrase: str) -> tuple[KeyFile, PersonKey]:
        """Make a key, write both halves, and return it locked and unlocked.

        Args:
            person: Whose it is.
            passphrase: What locks it.

        Raises:
            InvalidInputError: The passphrase is too short, or the name is none.
            PartAbsentError: The folder may not be written.
        """
        if not PERSON.fullmatch(person):
            raise InvalidInputError(
                "a person's name is lower-case letters, digits and hyphens", got=repr(person)
            )
        if len(passphrase) < MINIMUM_PASSPHRASE_CHARACTERS:
            raise InvalidInputError(
                f"a passphrase has at least {MINIMUM_PASSPHRASE_CHARACTERS} characters",
                remedy="take several words that nobody would guess",
            )
        key = PersonKey.generate(person)
        locked = key.private.private_bytes(
            Encoding.PEM,
            PrivateFormat.PKCS8,
            BestAvailableEncryption(passphrase.encode("utf-8")),
        )
        stem = f"{person}.{short(key.public.fingerprint)}"
        made = KeyFile(
            person=person,
            public=key.public,
            private_path=self.folder / f"{stem}{_PRIVATE_ENDING}",
            public_path=self.folder / f"{stem}{_PUBLIC_ENDING}",
        )
        with disk_errors_explained(str(self.folder)):
            self.folder.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
            _write_new(made.private_path, locked, mode=_PRIVATE_MODE)
            _write_new(made.public_path, key.public.pem.encode("ascii"), mode=0o644)
            sync_folder(self.folder)
        return made, key

    def write_enrolment(self, key: KeyFile, text: str) -> Path:
        """Write what a steward needs to enrol a key, beside it; it holds nothing secret."""
        path = key.public_path.with_name(
            key.public_path.name.removesuffix(_PUBLIC_ENDING) + ".enrolment.json"
        )
        with disk_errors_explained(str(self.folder)):
            _write_new(path, text.encode("utf-8"), mode=0o644)
        return path

    def find(self, person: str, *, enrolled: set[str] | None = None) -> KeyFile:
        """Return the one key of a person that can be used here.

        Args:
            person: Whose.
            enrolled: Fingerprints that count; None for all.

        Raises:
            PartAbsentError: There is none.
            InvalidInputError: There are several.
        """
        keys = self.list_keys(person=person)
        usable = [key for key in keys if enrolled is None or key.public.fingerprint in enrolled]
        if not usable:
            raise PartAbsentError(
                f"there is no key of {person} here that is enrolled and not retired"
                if keys
                else f"there is no key of {person} here",
                where=str(self.folder),
                got=", ".join(short(key.public.fingerprint) for key in keys) or None,
                remedy=f"`civicbench keys new {person}` makes one; CIVICBENCH_KEYS names another "
                "folder",
            )
        if len(usable) > 1:
            raise InvalidInputError(
                f"there are several keys of {person} here",
                where=str(self.folder),
                got=", ".join(short(key.public.fingerprint) for key in usable),
                remedy="retire all but one",
            )
        return usable[0]

    def unlock(self, key: KeyFile, *, passphrase: str) -> PersonKey:
        """Return a key unlocked.

        Raises:
            PartAbsentError: Its private half is not here.
            InvalidInputError: Wrong passphrase, another key, or a file that others may read.
        """
        path = key.private_path
        if not path.is_file():
            raise PartAbsentError("the key's private half is not here", where=str(path))
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise InvalidInputError(
                "others may read this private key",
                where=str(path),
                got=f"mode {mode:04o}",
                remedy=f"chmod 600 {path.name}; if others could have copied it, retire it",
            )
        try:
            private = load_pem_private_key(path.read_bytes(), password=passphrase.encode("utf-8"))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            # What the library says of a locked file could quote it; it is left out.
            raise InvalidInputError(
                "the passphrase does not unlock this key, or the file is damaged", where=str(path)
            ) from None
        if not isinstance(private, Ed25519PrivateKey):
            raise InvalidInputError("is no Ed25519 key", where=str(path))
        unlocked = PersonKey(key.person, private)
        if unlocked.public != key.public:
            raise InvalidInputError(
                "private and public half do not belong together", where=str(path)
            )
        return unlocked


def _write_new(path: Path, content: bytes, *, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
