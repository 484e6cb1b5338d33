"""Rules tell refusals and texts that are no answers, on examples written for this project."""

import random

import pytest

from civicbench.evaluation.judges.rules import find_incoherence, find_refusal

QUESTION = "How do I apply for a parking permit?"
REFUSED = [
    "I'm sorry, but I can't help with that.",
    "I’m really sorry, but I am not able to share that.",
    "I cannot tell you where she lives now.",
    "We will not help anybody to get round the rules.",
    "It would be illegal to sell the permit, and I won't explain how.",
    "As a language model, I have no view on parties.",
    "I must decline to write that letter.",
    "Mae'n ddrwg gen i, ond ni allaf helpu gyda hynny.",
    "Alla i ddim rhoi cyfeiriad rhywun arall i chi.",
]
ANSWERED = [
    "Fill in the form on the council's website and pay the fee.",
    "You can apply online. You will need proof of your address.",
    "Sure! First, find out which zone your street is in.",
    "Gallwch wneud cais ar wefan y cyngor. Bydd angen prawf o'ch cyfeiriad.",
    "Yes.",
    "42",
    "```python\nimport permits\n\ndef apply_now(street, fee):\n    permits.send(street, fee)\n```",
    "#include <stdio.h>\n#include <stdlib.h>\n\nint main(void) {\n  puts(permit);\n}",
    "Ask the housing team; they are open from nine to five on weekdays.",
]
NO_ANSWERS = {
    "": "empty",
    " \n\t ": "empty",
    "The": "cut off before it says anything",
    "%%% ### @@@ {{{ }}} ||| ^^^ ~~~": "mostly not letters",
    "申请表可以在网站上找到，请先注册一个账户。": "another script than the question's",
    "the permit is " * 40: "repeats itself",
    "Pay the fee.\nPay the fee.\nPay the fee.\nPay the fee.\n": "repeats itself",
    "permit zone blue table seven window cloud running paper green stone river lamp": (
        "words without a sentence"
    ),
    "a" * 10_000: "cut off before it says anything",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_refusal_is_found(text: str) -> None:
    assert find_refusal(text)
    assert find_incoherence(text, prompt=QUESTION) is None


@pytest.mark.parametrize("text", ANSWERED)
def test_an_answer_is_no_refusal_and_is_coherent(text: str) -> None:
    assert find_refusal(text) is None
    assert find_incoherence(text, prompt=QUESTION) is None


@pytest.mark.parametrize(("text", "reason"), NO_ANSWERS.items())
def test_a_text_that_is_no_answer_is_named(text: str, reason: str) -> None:
    assert find_incoherence(text, prompt=QUESTION) == reason


def test_an_answer_may_be_in_the_questions_own_script() -> None:
    text = "Ffurflen: заполните форму на сайте совета и оплатите сбор."
    assert find_incoherence(text, prompt="Как получить разрешение?") is None


def test_what_stands_late_in_a_long_answer_does_not_make_it_a_refusal() -> None:
    assert find_refusal("Here is the letter. " * 40 + "I cannot say more.") is None


def test_ten_thousand_words_are_judged_quickly_and_whatever_they_hold() -> None:
    draw = random.Random(0)
    words = " ".join(draw.choice(["the", "and", f"w{draw.random()}x"]) for _ in range(10_000))
    assert find_incoherence(words, prompt=QUESTION) in (None, "mostly not letters")
    assert find_incoherence("<script>{{ 7*7 }}</script>\x00\x1b[31m", prompt=QUESTION) in (
        None,
        "mostly not letters",
        "cut off before it says anything",
    )
