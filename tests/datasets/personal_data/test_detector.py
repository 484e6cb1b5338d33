import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.personal_data.figures import authored_lines

from civicbench.datasets.personal_data.detector import find_personal_data, redact
from civicbench.datasets.personal_data.kinds import ALL_KINDS, KINDS, PLACEHOLDERS, Kind

_WRITTEN = [line.text for line in authored_lines()]
_PIECES = [
    *(line.text[start:end] for line in authored_lines() for _, start, end in line.spans),
    *PLACEHOLDERS.values(),
    *("NHS number ", "ref ", "sort code ", "account ", "password: ", "token=", "NI ", "card "),
    *(" ", "\n", ",", ":", "@", "://", "[", "]", "(", "-", ".", "0", "1", "44", "\x1c", "\u200b"),
]
_TEXTS = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=12).map("".join),
    st.lists(st.sampled_from(_WRITTEN), max_size=3).map(" ".join),
    st.text(alphabet="0123456789 -+().,:@/aAbGB\u00a0\u2013\x1c[]", max_size=80),
    st.text(max_size=60),
)
_SOME_KINDS = st.one_of(st.just(ALL_KINDS), st.frozensets(st.sampled_from(KINDS), min_size=1))


@given(_TEXTS, _SOME_KINDS)
def test_a_redacted_text_holds_no_finding_and_the_rest_is_unchanged(
    text: str, kinds: frozenset[Kind]
) -> None:
    findings = find_personal_data(text, kinds=kinds)
    redacted = redact(text, findings)
    assert find_personal_data(redacted, kinds=kinds) == []
    place = 0
    rest = redacted
    for finding in findings:
        between = text[place : finding.start] + PLACEHOLDERS[finding.kind]
        assert rest.startswith(between)
        rest = rest[len(between) :]
        place = finding.end
    assert rest == text[place:]


@given(_TEXTS)
def test_findings_are_in_order_apart_and_named_by_what_was_found(text: str) -> None:
    findings = find_personal_data(text)
    place = 0
    for finding in findings:
        assert place <= finding.start < finding.end <= len(text)
        found = text[finding.start : finding.end].encode("utf-8", "surrogatepass")
        assert finding.text_digest == hashlib.sha256(found).hexdigest()
        place = finding.end
    assert findings == find_personal_data(text)


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("NHS number 999\u00a0945\u20138076.", "NHS number [NHS number]."),
        ("Call 0７７00 900 115 now", "Call [phone number] now"),
        ("Call 07700\u200b 900\u00ad115 now", "Call [phone number] now"),
        ("رقم ٠٧٧٠٠٩٠٠١١٥", "رقم [phone number]"),
        ("clerk＠parish．example．org", "[email address]"),
        ("postgres://a:s3cr3t99@db.example.org", "postgres://a:[secret]@db.example.org"),
    ],
)
def test_look_alike_characters_hide_nothing(text: str, redacted: str) -> None:
    assert redact(text, find_personal_data(text)) == redacted


def test_only_the_kinds_asked_for_are_looked_for() -> None:
    text = "Call 07700 900115 or write to a@example.org"
    only_email: frozenset[Kind] = frozenset({"email"})
    assert [f.kind for f in find_personal_data(text, kinds=only_email)] == ["email"]
    assert [f.kind for f in find_personal_data(text)] == ["uk-phone", "email"]


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "1 ",
        "@",
        "a@a.",
        "0 ",
        "07700 ",
        "eyJ",
        "eyJaaaaaaaaa.",
        "password:",
        "token ",
        "://a:",
        "12-34-56 12345678 ",
        "SW1 ",
        "1\u200b",
        "[",
        "0800 111 ",
        "+44 (0)",
        "sort code ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----A\n",
        "07700 900142 ",
    ],
)
def test_time_grows_in_proportion_to_a_million_characters(piece: str) -> None:
    def seconds(characters: int) -> float:
        text = (piece * (characters // len(piece) + 1))[:characters]
        start = time.process_time()
        find_personal_data(text)
        return time.process_time() - start

    # Ten times the text in a hundred times the time would be quadratic.
    assert seconds(1_000_000) < 30 * max(seconds(100_000), 0.02)
