"""The published rules of each kind, one at a time."""

import pytest

from civicbench.datasets.personal_data.detector import find_personal_data, redact


def kinds(text: str) -> list[str]:
    return [finding.kind for finding in find_personal_data(text)]


@pytest.mark.parametrize(
    "prefix", ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ", "DA", "GO", "QQ", "AV"]
)
def test_prefixes_that_nim39110_rules_out_are_rejected_even_when_named(prefix: str) -> None:
    assert kinds(f"National Insurance number {prefix} 12 34 56 A") == []
    assert kinds("National Insurance number GC 12 34 56 A") == ["national-insurance-number"]


@pytest.mark.parametrize("suffix", ["E", "M", "Z", "1"])
def test_last_letters_other_than_a_to_d_are_rejected(suffix: str) -> None:
    assert kinds(f"National Insurance number GC123456{suffix}") == []


def test_an_nhs_number_needs_its_check_digit() -> None:
    assert kinds("NHS number 999 945 8076") == ["nhs-number"]
    for digit in "012345789":
        assert kinds(f"NHS number 999 945 807{digit}") == []


def test_the_check_digit_of_remainder_ten_is_never_given_out() -> None:
    # 9990000000 would need check digit 10.
    assert all(kinds(f"NHS number 999 000 000{digit}") == [] for digit in "0123456789")


def test_an_iban_needs_modulus_97() -> None:
    assert kinds("IBAN GB94 TEST 8101 4228 1791 94") == ["bank-details"]
    assert kinds("IBAN GB95 TEST 8101 4228 1791 94") == []


def test_a_card_needs_the_luhn_check() -> None:
    assert kinds("card 4000 0069 4742 2787") == ["bank-details"]
    assert kinds("card 4000 0069 4742 2788") == []


@pytest.mark.parametrize(
    "postcode", ["QA1 9ZZ", "B1 9CZ", "LS00 9ZZ", "LS0 9ZZ", "E1B 9ZZ", "LL5 9ZZ", "B1 9ZI"]
)
def test_postcodes_of_a_format_that_cannot_be_are_rejected(postcode: str) -> None:
    assert kinds(f"Write to Leeds {postcode}") == []


@pytest.mark.parametrize("number", ["0632 960 1234", "04632 960123", "01632 960", "06632 960123"])
def test_numbers_outside_ofcoms_ranges_or_too_short_are_rejected(number: str) -> None:
    assert kinds(f"Ring {number} please") == []


def test_a_placeholder_is_no_evidence_for_what_stands_beside_it() -> None:
    between = " is on file, and this stands too far from those words: "
    text = f"NHS number 999 945 8076{between}1075328160"
    assert redact(text, find_personal_data(text)) == f"NHS number [NHS number]{between}1075328160"
    assert kinds(f"[NHS number]{between}1075328160") == []


def test_taking_out_a_long_secret_brings_no_word_nearer() -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "aB3/" * 40 + "\n-----END PRIVATE KEY-----"
    text = f"NHS {key} 1075328160"
    redacted = redact(text, find_personal_data(text))
    assert redacted == "NHS [secret] 1075328160"
    assert kinds(redacted) == []


@pytest.mark.parametrize(
    "text",
    [
        "password: ${DB_PASSWORD}",
        "password = os.getenv('DB_PASSWORD')",
        "password: ********",
        "password: [redacted]",
        "api_key: null",
        "token: <your-token>",
        "https://user:$TOKEN@git.example.org/",
    ],
)
def test_references_to_secrets_are_no_secrets(text: str) -> None:
    assert kinds(text) == []
