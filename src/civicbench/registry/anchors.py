"""Anchors: a head of the event chain, signed, kept where the registry's owner cannot rewrite it."""

import base64
import binascii
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from civicbench.core.digests import canonical_json, short
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.files import write_text_whole
from civicbench.registry.decisions.statements import now
from civicbench.registry.decisions.tables import Key
from civicbench.registry.signing.envelope import CHECKPOINT_TYPE, Proof
from civicbench.registry.signing.keys import PublicKey, Signer
from civicbench.registry.tables import Event
from civicbench.registry.versions import ChainHead

_GIT_TIMEOUT_S = 60
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Checkpoint(_Frozen):
    """The log's end at a moment, as somebody saw it."""

    sequence: int
    """How many events the log held."""
    digest: str
    """Digest of the last of them."""
    at: AwareDatetime
    """When it was read (UTC)."""
    person: str
    """Who signed it."""


class _EnvelopeSignature(_Frozen):
    keyid: str
    """Which key made it."""
    sig: str
    """The signature, in base64."""


class Anchor(_Frozen):
    """A signed checkpoint, in a DSSE envelope."""

    payloadType: str  # noqa: N815 (DSSE's own name)
    """What was signed."""
    payload: str
    """The checkpoint's canonical JSON, in base64."""
    signatures: tuple[_EnvelopeSignature, ...]
    """The signatures, one."""

    @property
    def content(self) -> bytes:
        """The bytes that were signed.

        Raises:
            InvalidInputError: They are no base64.
        """
        try:
            return base64.b64decode(self.payload, validate=True)
        except binascii.Error:
            raise InvalidInputError("is no anchor: its payload is no base64") from None


def make_anchor(head: ChainHead, *, signer: Signer) -> Anchor:
    """Return a signed checkpoint of a log's end."""
    checkpoint = Checkpoint(
        sequence=head.sequence, digest=head.digest, at=now(), person=signer.person
    )
    content = canonical_json(checkpoint.model_dump(mode="json")).encode("utf-8")
    proof = signer.sign(CHECKPOINT_TYPE, content)
    return Anchor(
        payloadType=CHECKPOINT_TYPE,
        payload=base64.b64encode(content).decode("ascii"),
        signatures=(_EnvelopeSignature(keyid=proof.key, sig=proof.signature),),
    )


def write_anchor(anchor: Anchor, path: Path) -> None:
    """Write an anchor as a file, to be kept elsewhere."""
    write_text_whole(path, anchor.model_dump_json(indent=2) + "\n")


def read_anchor(path: Path) -> Anchor:
    """Read an anchor's file.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: It is no anchor.
    """
    try:
        return _parse(path.read_text("utf-8", "replace"), where=str(path))
    except OSError as error:
        raise PartAbsentError("cannot be read", where=str(path), got=str(error)) from None


def tag_anchor(anchor: Anchor, *, tag: str, repository: Path) -> None:
    """Put an anchor into an annotated git tag, to be pushed where others keep it.

    Raises:
        InvalidInputError: The tag's name is none.
        PartAbsentError: Git is not there, the folder is no repository, or the tag stands already.
    """
    _git(
        "tag", "--annotate", "--cleanup=verbatim", "--message", anchor.model_dump_json(indent=2),
        _tag_name(tag), repository=repository,
    )  # fmt: skip


def read_tag(tag: str, *, repository: Path) -> Anchor:
    """Read the anchor of an annotated git tag; raises what `tag_anchor` and `read_anchor` raise."""
    told = _git(
        "for-each-ref", "--format=%(contents)", f"refs/tags/{_tag_name(tag)}", repository=repository
    )
    if not told.strip():
        raise PartAbsentError("there is no such tag", where=str(repository), got=tag)
    return _parse(told, where=f"the tag {tag}")


def read_checkpoint(anchor: Anchor, *, keys: dict[str, tuple[str, PublicKey]]) -> Checkpoint:
    """Return what an anchor says, after checking who signed it.

    Args:
        anchor: The anchor.
        keys: Person and public key, by fingerprint.

    Raises:
        IntegrityError: It was changed, or signed with none of these keys.
    """
    if anchor.payloadType != CHECKPOINT_TYPE or len(anchor.signatures) != 1:
        raise IntegrityError("is no checkpoint", got=anchor.payloadType)
    proof = Proof(key=anchor.signatures[0].keyid, signature=anchor.signatures[0].sig)
    if proof.key not in keys:
        raise IntegrityError(
            "the anchor was signed with a key that is not known here",
            got=f"key {short(proof.key)}",
            remedy="name the public key that you trust: --public-key FILE",
        )
    person, public = keys[proof.key]
    public.check(CHECKPOINT_TYPE, anchor.content, proof=proof)
    try:
        checkpoint = Checkpoint.model_validate_json(anchor.content)
    except ValidationError:
        raise IntegrityError("the anchor holds no checkpoint") from None
    if person and checkpoint.person != person:
        raise IntegrityError("the anchor names another person than its key's")
    return checkpoint


def enrolled_keys(session: Session) -> dict[str, tuple[str, PublicKey]]:
    """Return every key that a registry knows, retired ones too, by fingerprint."""
    return {
        key.id: (key.person, PublicKey(bytes.fromhex(key.public_key)))
        for key in session.scalars(select(Key))
    }


def against_anchor(session: Session, checkpoint: Checkpoint) -> Iterator[str]:
    """Yield what shows that the log was rewritten since a checkpoint."""
    if checkpoint.sequence == 0:
        return
    event = session.get(Event, checkpoint.sequence)
    when = f"{checkpoint.at:%Y-%m-%d %H:%M} UTC, signed by {checkpoint.person}"
    if event is None:
        yield f"missing: event {checkpoint.sequence}, which stood on {when}"
    elif event.digest != checkpoint.digest:
        yield (
            f"changed: the log up to event {checkpoint.sequence} is not the one of {when}: "
            f"{short(checkpoint.digest)} then, {short(event.digest)} now"
        )


def _parse(text: str, *, where: str) -> Anchor:
    try:
        return Anchor.model_validate_json(text)
    except ValidationError:
        raise InvalidInputError("is no anchor of a registry", where=where) from None


def _tag_name(tag: str) -> str:
    if not _TAG.fullmatch(tag) or ".." in tag:
        raise InvalidInputError("is no name for a tag", got=repr(tag))
    return tag


def _git(*arguments: str, repository: Path) -> str:
    try:
        done = subprocess.run(  # noqa: S603 (a fixed program; the tag's name was checked)
            ["git", "-C", str(repository), *arguments],  # noqa: S607
            capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise PartAbsentError("git did not run", got=str(error)) from None
    if done.returncode != 0:
        raise PartAbsentError(
            "git refused", where=str(repository), got=done.stderr.strip().splitlines()[-1][:200]
            if done.stderr.strip() else f"exit code {done.returncode}",
        )  # fmt: skip
    return done.stdout
