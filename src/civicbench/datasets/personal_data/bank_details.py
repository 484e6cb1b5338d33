"""Bank details: sort codes with account numbers, IBANs, payment cards."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from civicbench.datasets.personal_data.surroundings import (
    MASK,
    REFERENCE_WORDS,
    after,
    before,
    evidence_before,
    evidence_pattern,
)

Span = tuple[int, int]

_IBAN: Final = re.compile(
    r"(?<![A-Za-z0-9])GB\d\d[ -]?[A-Z]{4}(?:[ -]?\d){14}(?![A-Za-z0-9])", re.IGNORECASE
)
_CARD: Final = re.compile(
    r"(?<![\w.-])(?:\d{4}([ -]?)\d{4}\1\d{4}\1\d{4}|\d{4}([ -]?)\d{6}\2\d{4,5}|\d{12,19})"
    r"(?![\w-])(?! \d)"
)
_CARD_RANGES: Final = re.compile(
    r"4\d{15}(?:\d{3})?|(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)\d+|3[47]\d{13}"
    r"|(?:6011|64[4-9]|65)\d+|3(?:0[0-5]\d{11}|[68]\d{12})|35(?:2[89]|[3-8])\d+"
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d+"
)
_SORT_CODE: Final = re.compile(r"(?<![\w./+-])(?:\d\d([ -])\d\d\1\d\d|\d{6})(?![\w/-])(?!\.\d)")
_ACCOUNT: Final = re.compile(r"(?<![\w./£$€+-])(?:\d{8}|\d{4} \d{4})(?![\w/-])(?!\.\d)(?! \d)")
_PAIR_DISTANCE: Final = 80
_CARD_EVIDENCE: Final = evidence_pattern(
    words_for=r"card|visa|mastercard|amex|debit|credit|cerdyn", words_against=REFERENCE_WORDS
)
_SORT_CODE_NAMED: Final = re.compile(
    r"(?<![a-z])(?:sort(?:[ _-]?code)?s?|s/c|sc|cod(?:au)?[ _]didoli|sortcode)(?![a-z])"
)
_BANK_NAMED: Final = re.compile(
    r"(?<![a-z])(?:banks?|bacs|pay(?:ee|ment|ments)?|account|acc|a/c|acct|debit|cyfrif|banc)(?![a-z])"
)
_BANK_ACCOUNT_NAMED: Final = re.compile(r"bank account|cyfrif banc|account at .{0,20}bank")
_ACCOUNT_EVIDENCE: Final = evidence_pattern(
    words_for=r"account|acc|a/c|acct|cyfrif|sort(?:[ _-]?code)?|didoli|bank|banc",
    words_against=REFERENCE_WORDS,
)


def find_bank_details(text: str) -> Iterator[Span]:
    """Find IBANs, payment card numbers, and sort codes and account numbers in context.

    UK IBANs must pass modulus 97 (ISO 13616). Cards must pass the Luhn check and, where no word
    names a card, have the range and length of a card scheme. A sort code is taken where a word
    names it, or where an account number follows and the text speaks of a bank; an account number
    near a sort code, or where the words are "bank account". Each of the two is a finding.

    Args:
        text: The plain text.

    Yields:
        Start and end of each, not in order.
    """
    yield from (found.span() for found in _IBAN.finditer(text) if _passes_modulus_97(found[0]))
    yield from _find_cards(text)
    yield from _find_accounts(text)


def _passes_modulus_97(written: str) -> bool:
    iban = written.replace(" ", "").replace("-", "").upper()
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def _find_cards(text: str) -> Iterator[Span]:
    for found in _CARD.finditer(text):
        digits = found[0].replace(" ", "").replace("-", "")
        if not _passes_luhn(digits) or len(set(digits)) == 1:
            continue
        evidence = evidence_before(text, place=found.start(), width=40, pattern=_CARD_EVIDENCE)
        if evidence == "for" or (
            evidence == "none" and len(digits) >= 14 and _CARD_RANGES.fullmatch(digits)
        ):
            yield found.span()


def _passes_luhn(digits: str) -> bool:
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[-1::-2]))) % 10 == 0


def _find_accounts(text: str) -> Iterator[Span]:
    accounts = [found.span() for found in _ACCOUNT.finditer(text)]
    sort_codes = [
        span
        for span in (found.span() for found in _SORT_CODE.finditer(text))
        if _is_sort_code(text, span=span, accounts=accounts)
    ]
    yield from sort_codes
    for span in accounts:
        if _BANK_ACCOUNT_NAMED.search(before(text, place=span[0], width=40)):
            yield span
            continue
        evidence = evidence_before(text, place=span[0], width=40, pattern=_ACCOUNT_EVIDENCE)
        if evidence != "against" and _nearest_is_close(text, span=span, others=sort_codes):
            yield span


def _is_sort_code(text: str, *, span: Span, accounts: Sequence[Span]) -> bool:
    ahead = before(text, place=span[0], width=60)
    names = list(_SORT_CODE_NAMED.finditer(ahead))
    if names and sum(map(str.isdigit, ahead[names[-1].end() :])) < 6:
        return True
    place = bisect_left(accounts, span)
    if place == len(accounts):
        return False
    gap = text[span[1] : accounts[place][0]]
    if len(gap) > 40 or MASK in gap or any(map(str.isdigit, gap)):
        return False
    return bool(_BANK_NAMED.search(ahead) or _BANK_NAMED.search(gap.lower())) or bool(
        _BANK_NAMED.search(after(text, place=accounts[place][1], width=30))
    )


def _nearest_is_close(text: str, *, span: Span, others: Sequence[Span]) -> bool:
    place = bisect_left(others, span)
    for other in others[max(0, place - 1) : place + 1]:
        first, second = sorted((span, other))
        gap = text[first[1] : second[0]]
        if len(gap) <= _PAIR_DISTANCE and MASK not in gap:
            return True
    return False
