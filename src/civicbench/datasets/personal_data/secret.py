"""Secrets: keys, tokens and passwords that open something."""

import re
from collections.abc import Iterator
from typing import Final

from civicbench.datasets.personal_data.randomness import looks_random

Span = tuple[int, int]

# The text that must stand in the row before a pattern is tried at all.
_TOKENS: Final = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        ("AKIA", r"(?<![A-Za-z0-9])AKIA[A-Z2-7]{16}(?![A-Za-z0-9])"),
        ("ASIA", r"(?<![A-Za-z0-9])ASIA[A-Z2-7]{16}(?![A-Za-z0-9])"),
        ("AIza", r"(?<![\w-])AIza[\w-]{35}(?![\w-])"),
        ("gh", r"(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36,251}(?![A-Za-z0-9])"),
        ("github_pat_", r"(?<!\w)github_pat_\w{22,255}"),
        ("glpat-", r"(?<![\w-])gl(?:pat|dt|rt|cbt|ptt)-[\w-]{20,64}"),
        ("xox", r"(?<!\w)xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
        ("_live_", r"(?<![A-Za-z0-9])[a-z]{2}_live_[A-Za-z0-9]{16,128}"),
        ("sk-", r"(?<![\w-])sk-(?:[a-z0-9]{2,8}-){0,3}[A-Za-z0-9_-]{32,200}(?![\w-])"),
        ("hf_", r"(?<!\w)hf_[A-Za-z0-9]{30,64}(?!\w)"),
        ("npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"),
        ("pypi-", r"(?<![\w-])pypi-AgE[\w-]{50,250}"),
        ("SG.", r"(?<![\w.])SG\.[\w-]{22}\.[\w-]{43}(?![\w-])"),
        ("eyJ", r"(?<![\w.-])eyJ[\w-]{8,4096}\.eyJ[\w-]{8,8192}\.[\w-]{10,1024}"),
    )
)
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-\x1c]++|-(?!----))*+-----END [A-Z0-9 ]{1,48}-----|[A-Za-z0-9+/=\r\n]*+)"
)
_URL_PASSWORD: Final = re.compile(
    r"://[^\s/@:\"'<>?#]{0,128}:(?P<value>[^\s/@\"'<>]{1,256})@(?=[\w\[])"
)
_PASSWORD: Final = re.compile(
    r"(?:pass(?:word|wd|code|phrase)|pwd|cyfrinair)(?:_?(?:value|hash)| dros dro)?[\"']?"
    r"(?:(?P<sign>[ \t]{0,4}(?:[:=>]|=>)[ \t]{0,4})|[ \t]{1,4}(?:is|was|yw)[ \t:]{1,4})"
    r"[\"'“‘`]?(?P<value>[^\s\"'<>,;“”‘’`]{4,128})",
    re.IGNORECASE,
)
_NAMED_KEY: Final = re.compile(
    r"(?:secret|token|credentials?|bearer|authorization|signature"
    r"|(?:api|access|account|client|private|signing|encryption|shared|licen[cs]e)[ _-]?key)"
    r"(?:[ _-]?(?:key|access[ _-]?key|id|value))?[\"']?"
    r"[ \t]{0,4}(?:[:=]|=>|>|is)?[ \t]{0,4}[\"'`]?(?:(?:bearer|basic|token)[ \t]{1,4})?"
    r"(?P<value>[A-Za-z0-9+/_.=~-]{16,512})",
    re.IGNORECASE,
)
_PASSWORD_MARKS: Final = ("pass", "pwd", "cyfrinair")
_KEY_MARKS: Final = ("secret", "token", "key", "credential", "bearer", "authorization", "signature")
_CODE: Final = re.compile(r"[A-Za-z_][\w.]*[(\[{]|\$[A-Z_({]|\{\{|%\(|[<\[(]")
_NO_PASSWORD: Final = re.compile(
    r"null|none|true|false|change_?me|example|required|redacted|hidden|string|yes|no|empty|unset"
    r"|optional|expired|invalid|incorrect|undefined|password|placeholder"
)


def find_secrets(text: str) -> Iterator[Span]:
    """Find secrets: what they open, not who they are.

    Found are private-key blocks; tokens that name their issuer (AWS, Google, GitHub, GitLab,
    Slack, Stripe, Hugging Face, npm, PyPI, SendGrid, JWT); passwords in URLs and after a word for
    password; and values that look random beside a word such as "api key", "token" or "secret".
    Left alone are references to a secret kept elsewhere (`${TOKEN}`, `os.environ[...]`),
    blanked-out values, and words such as "changeme".

    Args:
        text: The plain text.

    Yields:
        Start and end of each, not in order. Of an assignment and of a URL the value alone.
    """
    if "-----BEGIN" in text:
        yield from (found.span() for found in _PRIVATE_KEY.finditer(text))
    for mark, pattern in _TOKENS:
        if mark in text:
            yield from (found.span() for found in pattern.finditer(text))
    if "://" in text and "@" in text:
        for found in _URL_PASSWORD.finditer(text):
            if _may_be_password(found["value"]):
                yield found.span("value")
    lowered = text.lower()
    if any(mark in lowered for mark in _PASSWORD_MARKS):
        yield from _find_passwords(text)
    if any(mark in lowered for mark in _KEY_MARKS):
        yield from _find_named_keys(text)


def _find_passwords(text: str) -> Iterator[Span]:
    for found in _PASSWORD.finditer(text):
        value = found["value"].rstrip(".:)]}")
        if len(value) < 4 or not _may_be_password(value):
            continue
        has_digit = any(map(str.isdigit, value))
        has_letter = any(map(str.isalpha, value))
        start = found.start("value")
        assigned = found["sign"] is not None
        if (has_digit and has_letter) or (
            assigned and (has_digit or _ends_line(text, place=start + len(value)))
        ):
            yield start, start + len(value)


def _ends_line(text: str, *, place: int) -> bool:
    return text[place : place + 64].partition("\n")[0].strip("\"'`<>.,;)}] \t\r") == ""


def _may_be_password(value: str) -> bool:
    return (
        _CODE.match(value) is None
        and _NO_PASSWORD.fullmatch(value.lower()) is None
        and any(map(str.isalnum, value))
        and len(set(value)) > 1
    )


def _find_named_keys(text: str) -> Iterator[Span]:
    for found in _NAMED_KEY.finditer(text):
        value = found["value"].rstrip(".")
        if looks_random(value):
            yield found.start("value"), found.start("value") + len(value)
