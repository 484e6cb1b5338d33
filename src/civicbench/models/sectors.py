"""What a model is used for, in words that a licence's use policy can be held against."""

from typing import Literal, get_args

Sector = Literal[
    "advice",
    "benefits",
    "consultation",
    "correspondence",
    "critical-infrastructure",
    "defence",
    "education",
    "emergency-services",
    "employment",
    "finance",
    "health",
    "housing",
    "immigration",
    "internal-working",
    "legal",
    "national-security",
    "nuclear",
    "planning",
    "policing",
    "research",
    "social-care",
    "translation",
    "transport",
]
SECTORS: tuple[Sector, ...] = get_args(Sector)
"""Every sector, as `docs/licences.md` explains them."""
