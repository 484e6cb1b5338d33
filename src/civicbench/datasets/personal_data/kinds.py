"""The kinds of personal data that are looked for, and what stands in their place."""

from typing import Final, Literal, get_args

Kind = Literal[
    "secret",
    "email",
    "bank-details",
    "nhs-number",
    "national-insurance-number",
    "uk-phone",
    "postcode",
]
"""A kind of personal data. Where two findings overlap, the kind named first here is kept."""

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ALL_KINDS: Final[frozenset[Kind]] = frozenset(KINDS)

PLACEHOLDERS: Final[dict[Kind, str]] = {
    "secret": "[secret]",
    "email": "[email address]",
    "bank-details": "[bank details]",
    "nhs-number": "[NHS number]",
    "national-insurance-number": "[National Insurance number]",
    "uk-phone": "[phone number]",
    "postcode": "[postcode]",
}
"""What a redacted text shows instead of each kind."""
