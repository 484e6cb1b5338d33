"""Formats that were not chosen by who wrote the patterns: each was missed or misread once."""

import pytest

from civicbench.datasets.personal_data.detector import find_personal_data


def found(text: str) -> list[tuple[str, str]]:
    return [(f.kind, text[f.start : f.end]) for f in find_personal_data(text)]


def test_a_mobile_that_passes_the_nhs_check_is_still_a_phone_number() -> None:
    # 7700900817 passes modulus 11 and lies in a range of NHS numbers.
    for written in ("+44(0)7700900817", "+44 7700900817", "07700900817"):
        assert found(f"Ring {written} today") == [("uk-phone", written)]


@pytest.mark.parametrize("word", ["note", "use", "form", "model", "to"])
def test_common_words_before_a_postcode_do_not_hide_it(word: str) -> None:
    assert found(f"Please {word} HR4 9ZZ for our records.") == [("postcode", "HR4 9ZZ")]


@pytest.mark.parametrize("postcode", ["BX9 1AS", "SR43 4ZZ", "BR98 9ZZ"])
def test_non_geographic_postcodes_are_found(postcode: str) -> None:
    assert found(f"HM Revenue and Customs, {postcode}") == [("postcode", postcode)]


def test_licence_identifiers_that_pass_the_nhs_check_are_left_alone() -> None:
    assert found('"fety consultancy","1002","Use CCTV systems","1075328160","Notif') == []


def test_obsolete_card_numbers_are_found_where_a_word_names_a_card() -> None:
    assert found("4802394360882") == []
    assert found("card 4802394360882") == [("bank-details", "4802394360882")]
    assert found("30350973004180") == [("bank-details", "30350973004180")]
