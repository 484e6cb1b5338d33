"""Steps that look at one row: each rule by itself."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.datasets.steps.judging import changed, judge, reason

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.steps.licences import Licences
from civicbench.datasets.steps.step import Changed, Reference, Removed

WELSH = "Mae gan bawb yr hawl i dderbyn gwasanaeth yn Gymraeg gan y cyngor"
ENGLISH = "Everybody has the right to a service in Welsh from the council"


@pytest.mark.parametrize(
    ("settings", "before", "after"),
    [
        ({}, "cafe\u0301", "caf\u00e9"),
        ({}, "ﬁrst ½", "ﬁrst ½"),
        ({"form": "NFKC"}, "ﬁrst", "first"),
        ({}, "a\u200bb\u00adc\ufeffd\x07e", "abcde"),
        ({"invisible": "keep"}, "a\u200bb", "a\u200bb"),
        ({}, "a\u200db", "a\u200db"),  # joiners shape words in some scripts
        ({}, " a \t b\r\n\r\n\n\n c\u2028d ", "a b\n\nc\nd"),
        ({"blanks": "one-line"}, " a \n\n b\u00a0c ", "a b c"),
        ({"blanks": "keep"}, " a  b ", " a  b "),
        ({}, "Tom &amp; <b>Ann</b>", "Tom &amp; <b>Ann</b>"),
        ({"markup": "unescape"}, "Tom &amp; <b>Ann</b>", "Tom & <b>Ann</b>"),
        ({"markup": "text"}, "<p>Tom &amp; <b>Ann</b></p><p>Bye</p>", "Tom & Ann\n\nBye"),
    ],
)
def test_normalise(settings: dict[str, Any], before: str, after: str) -> None:
    assert changed({"step": "normalise", **settings}, en=before) == {"en": after}


@given(st.text(max_size=60), st.sampled_from(["lines", "one-line"]))
def test_normalise_is_done_after_one_go(text: str, blanks: str) -> None:
    step = {"step": "normalise", "blanks": blanks}
    once = changed(step, en=text)
    assert changed(step, **once) == once


def test_normalise_leaves_other_fields_and_numbers_alone() -> None:
    step = {"step": "normalise", "fields": ["en"]}
    assert changed(step, en=" a ", cy=" b ", count=3) == {"en": "a", "cy": " b ", "count": 3}


@pytest.mark.parametrize(
    ("settings", "fields", "says"),
    [
        ({"minimum_characters": 3}, {"en": " ab "}, "en is too short"),
        ({"minimum_characters": 3}, {"en": "abc"}, ""),
        ({"maximum_characters": 3}, {"en": "abcd"}, "en is too long"),
        ({"minimum_words": 2}, {"en": "abcd"}, "en has too few words"),
        ({"maximum_words": 2}, {"en": "a b c"}, "en has too many words"),
        ({}, {"en": None}, "en is too short"),
        ({}, {"en": 7}, "en is too short"),
        ({"maximum_ratio": 2.0}, {"en": "a" * 20, "cy": "b" * 41}, "differ too much"),
        ({"maximum_ratio": 2.0}, {"en": "a" * 20, "cy": "b" * 40}, ""),
        ({"maximum_ratio": 2.0}, {"en": "a", "cy": "b" * 9}, ""),
    ],
)
def test_length(settings: dict[str, Any], fields: dict[str, Any], says: str) -> None:
    named = ["en", "cy"] if "maximum_ratio" in settings else ["en"]
    found = reason({"step": "filter-length", "fields": named, **settings}, **fields)
    assert says in found
    assert bool(says) == bool(found)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"en": ENGLISH, "cy": WELSH}, ""),
        ({"en": ENGLISH, "cy": ENGLISH}, "cy is in another language"),
        ({"en": WELSH, "cy": WELSH}, "en is in another language"),
        ({"en": ENGLISH, "cy": "Continue"}, ""),  # too short to judge
        ({"en": ENGLISH, "cy": "https://www.gov.uk/guidance/use-making-tax-digital"}, ""),
        ({"en": ENGLISH, "cy": "{{ responseDeadline }} <a href='apply-for-help'>"}, ""),
        ({"en": ENGLISH, "cy": None}, ""),
        ({"en": ENGLISH, "cy": WELSH * 50_000}, ""),
    ],
)
def test_language(fields: dict[str, Any], says: str) -> None:
    assert reason({"step": "filter-language", "fields": {"en": "en", "cy": "cy"}}, **fields) == says


def test_a_language_that_the_detector_does_not_know_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="does not know this language"):
        reason({"step": "filter-language", "fields": {"en": "en"}, "among": ["xx"]})


@pytest.mark.parametrize(
    ("en", "cy", "says"),
    [
        ("{0} owes {1}", "Mae ar {1} i {0}", ""),
        ("{0} owes {1}", "Mae ar {0} i {0}", "placeholders differ"),
        ("{{ name }} is here", "Mae {{name}} yma", ""),
        ("{{ name }} is here", "Mae hi yma", "placeholders differ"),
        ("%{count} left", "%{count} ar ôl", ""),
        ("%1$@ and %2$@", "%2$@ a %1$@", ""),
        ("%@ left", "ar ôl", "placeholders differ"),
        ("100% sure", "100% yn siŵr", ""),
        ("10% discount", "gostyngiad o 10%", ""),
        ("by 6 April 2020", "erbyn 6 Ebrill 2020", ""),
        ("by 6 April 2020", "erbyn 6 Ebrill 2021", "numbers differ"),
        ("two weeks", "2 wythnos", ""),  # words on one side
        ("£1,000", "£1000", ""),
        ("at 10:30", "am 10.30", ""),
        ("08 October", "8 Hydref", ""),
        ('<a href="/form/12">12 forms</a>', '<a href="/ffurflen/9">12 ffurflen</a>', ""),
    ],
)
def test_agreement(en: str, cy: str, says: str) -> None:
    assert reason({"step": "filter-agreement", "fields": ["en", "cy"]}, en=en, cy=cy) == says


def test_agreement_may_want_equal_numbers_or_none_compared() -> None:
    step = {"step": "filter-agreement", "fields": ["en", "cy"]}
    fields = {"en": "two weeks", "cy": "2 wythnos"}
    assert reason({**step, "numbers": "equal"}, **fields) == "numbers differ"
    fields = {"en": "1 {0}", "cy": "2"}
    assert reason({**step, "numbers": "ignore", "placeholders": False}, **fields) == ""


def test_patterns_and_same_texts() -> None:
    step = {"step": "filter-pattern", "field": "en", "reason": "why"}
    assert reason({**step, "keep": "^A"}, en="B") == "why"
    assert reason({**step, "leave_out": "^A"}, en="B") == ""
    same = {"step": "filter-same", "fields": ["en", "cy"]}
    assert reason(same, en="The Form!", cy="the form") == "en and cy are the same text"
    assert reason(same, en="The form", cy="Y ffurflen") == ""


NHS = "My NHS number is 943 476 5919 and I live at SW1A 1AA."


@pytest.mark.parametrize("action", ["detect", "redact", "exclude", "refuse"])
def test_personal_data_is_never_shown(action: str) -> None:
    verdict = judge({"step": "personal-data", "action": action}, {"en": NHS, "cy": "dim"})
    told = [verdict.reason, getattr(verdict, "detail", ""), getattr(verdict, "example", "")]
    assert "nhs-number, postcode" in verdict.reason
    assert not any("943" in part or "SW1A" in part for part in told)
    if isinstance(verdict, Changed):
        redacted = "My NHS number is [NHS number] and I live at [postcode]."
        assert verdict.fields["en"] == (redacted if action == "redact" else NHS)
    else:
        assert isinstance(verdict, Removed)
        assert (verdict.refuse, verdict.private) == (action == "refuse", True)


def test_personal_data_looks_for_the_named_kinds_in_the_named_fields() -> None:
    step = {"step": "personal-data", "action": "exclude", "kinds": ["postcode"], "fields": ["cy"]}
    assert reason(step, en=NHS) == ""
    assert reason(step, cy=NHS) == "postcode"


@pytest.mark.parametrize(
    ("licence", "purpose", "allow", "says"),
    [
        ("MIT", "publish", (), ""),
        ("OGL-UK-3.0", "publish", (), ""),
        ("MIT AND OGL-UK-3.0", "publish", (), ""),
        ("CC-BY-SA-4.0", "publish", (), "allows no more than 'train'"),
        ("CC-BY-SA-4.0", "train", (), ""),
        ("CC-BY-NC-4.0", "train", (), "allows no more than 'evaluate'"),
        ("CC-BY-NC-4.0", "evaluate", (), ""),
        ("MIT AND CC-BY-NC-4.0", "train", (), "CC-BY-NC-4.0"),
        ("MIT OR CC-BY-NC-4.0", "publish", (), ""),
        ("Proprietary", "evaluate", (), "not a licence that is known"),
        ("Proprietary", "evaluate", ("Proprietary",), ""),
        ("mit", "evaluate", (), "not a licence that is known"),
        ("MIT AND MIT OR MIT", "evaluate", (), "both AND and OR"),
    ],
)
def test_licences(licence: str, purpose: Any, allow: tuple[str, ...], says: str) -> None:
    step = Licences(purpose=purpose, allow=allow)
    sources = [("one", "CC0-1.0"), ("two", licence)]
    if not says:
        step.check(sources, where="here")
        return
    with pytest.raises(InvalidInputError, match="1 sources may not be used") as caught:
        step.check(sources, where="here")
    assert "two: " in str(caught.value)
    assert says in str(caught.value)


ITEM = "How much notice must a landlord give before a tenant has to leave a rented flat in Wales?"
REFERENCES = (
    Reference("housing", "h1", ITEM),
    Reference("housing", "h2", "Which form ends a joint tenancy early?"),
    Reference("housing", "h3", "Yes"),
)


@pytest.mark.parametrize(
    ("text", "how"),
    [
        (ITEM, "en: is item h1"),
        (ITEM.upper().replace("?", " !"), "en: is item h1"),
        (f"Dear adviser, {ITEM[:-9]}England, please?", "en: 13 words in a row of item h1"),
        (ITEM.replace("tenant", "tenants"), "same as item h1"),
        ("I wonder which form ends a joint tenancy early, thanks", "en: 7 words in a row of item"),
        ("yes.", "en: is item h3"),
        ("Yes, the landlord must give notice.", ""),
        ("How much notice must an employer give before staff have to leave?", ""),
        ("", ""),
    ],
)
def test_decontamination(text: str, how: str) -> None:
    verdict = judge({"step": "decontaminate"}, {"en": text, "cy": "dim"}, REFERENCES)
    if not how:
        assert verdict is None
        return
    assert isinstance(verdict, Removed)
    assert verdict.reason == "overlaps with suite housing"
    assert how in verdict.detail


def test_decontamination_finds_what_is_near_beside_a_brute_comparison() -> None:
    from civicbench.datasets.steps.shingles import overlap, pieces

    words = ITEM.split()
    step = {"step": "decontaminate", "words": 50, "shortest_words": 50, "near": 0.7}
    for cut in range(len(words)):
        text = " ".join([*words[:cut], "and", *words[cut + 1 :]])
        near = max(overlap(pieces(text), pieces(r.text)) for r in REFERENCES) >= 0.7
        assert (judge(step, {"en": text, "cy": "x"}, REFERENCES) is not None) == near


def test_a_million_characters_take_no_more_than_moments() -> None:
    long = "word and another " * 60_000
    started = time.process_time()
    for step in (
        {"step": "normalise"},
        {"step": "filter-length", "fields": ["en"], "minimum_words": 3},
        {"step": "filter-language", "fields": {"en": "en"}, "among": ["cy"]},
        {"step": "filter-agreement", "fields": ["en", "cy"]},
        {"step": "personal-data", "action": "detect"},
        {"step": "decontaminate"},
    ):
        judge(step, {"en": long, "cy": long}, REFERENCES)
    assert time.process_time() - started < 60
