"""Keys of people: made, locked, used and refused."""

import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.registry.signing.envelope import KEY_TYPE, STATEMENT_TYPE, Proof, pae
from civicbench.registry.signing.key_files import KeyFolder
from civicbench.registry.signing.keys import PersonKey, PublicKey

SECRET = "several words nobody guesses"


@pytest.fixture
def folder(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


def test_what_is_signed_is_encoded_as_the_standard_says() -> None:
    # The example of the DSSE protocol's own text.
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


@settings(max_examples=30, deadline=None)
@given(content=st.binary(max_size=300), other=st.binary(max_size=300))
def test_a_signature_is_over_exactly_these_bytes_and_their_type(
    content: bytes, other: bytes
) -> None:
    key = PersonKey.generate("ann")
    proof = key.sign(STATEMENT_TYPE, content)
    key.public.check(STATEMENT_TYPE, content, proof=proof)
    with pytest.raises(IntegrityError):
        key.public.check(KEY_TYPE, content, proof=proof)
    with pytest.raises(IntegrityError):
        PersonKey.generate("ann").public.check(STATEMENT_TYPE, content, proof=proof)
    if other != content:
        with pytest.raises(IntegrityError):
            key.public.check(STATEMENT_TYPE, other, proof=proof)


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "A" * 88])
def test_nonsense_is_no_signature(signature: str) -> None:
    key = PersonKey.generate("ann").public
    with pytest.raises(IntegrityError):
        key.check(STATEMENT_TYPE, b"x", proof=Proof(key=key.fingerprint, signature=signature))


def test_a_key_is_locked_in_a_folder_that_nobody_else_reads(folder: KeyFolder) -> None:
    made, key = folder.create("ann", passphrase=SECRET)
    assert stat.S_IMODE(folder.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.private_path.stat().st_mode) == 0o600
    content = made.private_path.read_bytes()
    assert content.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert key.private.private_bytes_raw() not in content
    found = folder.find("ann")
    unlocked = folder.unlock(found, passphrase=SECRET)
    unlocked.public.check(STATEMENT_TYPE, b"x", proof=key.sign(STATEMENT_TYPE, b"x"))
    assert key.private.private_bytes_raw().hex() not in repr(unlocked)


def test_a_wrong_passphrase_tells_nothing(folder: KeyFolder) -> None:
    made, _ = folder.create("ann", passphrase=SECRET)
    with pytest.raises(InvalidInputError, match="does not unlock") as caught:
        folder.unlock(made, passphrase="another passphrase")
    assert "another passphrase" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_key_that_others_could_have_read_is_not_used(folder: KeyFolder) -> None:
    made, _ = folder.create("ann", passphrase=SECRET)
    made.private_path.chmod(0o640)
    with pytest.raises(InvalidInputError, match="others may read"):
        folder.unlock(made, passphrase=SECRET)


def test_halves_that_were_mixed_up_are_refused(folder: KeyFolder) -> None:
    one, _ = folder.create("ann", passphrase=SECRET)
    two, _ = folder.create("ann", passphrase=SECRET)
    one.private_path.write_bytes(two.private_path.read_bytes())
    with pytest.raises(InvalidInputError, match="do not belong together"):
        folder.unlock(one, passphrase=SECRET)
    with pytest.raises(InvalidInputError, match="several keys"):
        folder.find("ann")
    assert folder.find("ann", enrolled={two.public.fingerprint}) == two
    with pytest.raises(PartAbsentError, match="no key of bob here"):
        folder.find("bob")


@pytest.mark.parametrize(
    ("person", "passphrase"), [("ann", "short"), ("Ann", SECRET), ("../a", SECRET)]
)
def test_a_short_passphrase_or_an_odd_name_makes_no_key(
    folder: KeyFolder, person: str, passphrase: str
) -> None:
    with pytest.raises(InvalidInputError):
        folder.create(person, passphrase=passphrase)
    assert not folder.folder.exists()


def test_openssl_reads_the_key_and_checks_what_it_signed(folder: KeyFolder, tmp_path: Path) -> None:
    """A key file is no format of our own: another program signs with it."""
    made, key = folder.create("ann", passphrase=SECRET)
    (tmp_path / "message").write_bytes(pae(STATEMENT_TYPE, b"statement"))
    (tmp_path / "passphrase").write_text(SECRET)
    subprocess.run(
        ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", made.private_path,
         "-passin", f"file:{tmp_path / 'passphrase'}", "-in", tmp_path / "message",
         "-out", tmp_path / "signature"],
        check=True,
    )  # fmt: skip
    # Ed25519 is deterministic: the same key signs the same bytes in one way.
    assert (tmp_path / "signature").read_bytes() == key.sign(
        STATEMENT_TYPE, b"statement"
    ).signature_bytes
    again = PublicKey.from_pem(made.public_path.read_text(), where="here")
    assert again == key.public


def test_another_kind_of_key_is_refused() -> None:
    pem = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    public = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=pem, check=True, capture_output=True
    ).stdout
    with pytest.raises(InvalidInputError, match="no Ed25519 public key"):
        PublicKey.from_pem(public.decode(), where="here")
    with pytest.raises(InvalidInputError, match="no Ed25519 public key"):
        PublicKey.from_pem("nonsense", where="here")
