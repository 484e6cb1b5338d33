"""Everything that shapes a recipe's work, by its path: to say later what was changed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from civicbench.core.digests import canonical_json, digest_files, digest_listing
from civicbench.recipes.loading import Recipe
from civicbench.training.distributed.presets import load_preset

_SHOWN_CHARACTERS = 80


def recipe_facts(recipe: Recipe) -> dict[str, str]:
    """Return every setting of a recipe and its parts, and the digests of their files.

    Args:
        recipe: The recipe.
    """
    facts = dict(_flat("recipe", recipe.settings.model_dump(mode="json")))
    facts |= _flat(f"model {recipe.model.name}", recipe.model.model_dump(mode="json"))
    facts |= _flat(f"gate {recipe.gate.name}", recipe.gate.model_dump(mode="json"))
    preset = load_preset(recipe.training.distributed)
    facts |= _flat(f"distributed {preset.name}", preset.model_dump(mode="json"))
    for part in (recipe.dataset, *recipe.mixed):
        facts[f"dataset {part.settings.name}: files"] = _files(part.folder)
    for suite in recipe.suites:
        name = f"suite {suite.settings.name}"
        facts |= _flat(name, suite.settings.model_dump(mode="json"))
        facts[f"{name}: files"] = _files(suite.folder)
    return facts


def changed_facts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return what differs between two sets of facts, one a line.

    Args:
        before: As they were at the launch.
        now: As they are.
    """
    return [
        f"{name}: {_shown(before.get(name))} at the launch, {_shown(now.get(name))} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def _files(folder: Path) -> str:
    """Return the digest of a part's files; its pages for people shape nothing."""
    files = digest_files(folder)
    return digest_listing({n: digest for n, digest in files.items() if not n.endswith(".md")})


def _flat(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            joint = ": " if " " in path and ":" not in path else "."
            yield from _flat(f"{path}{joint}{key}", below)
    else:
        yield path, canonical_json(value)


def _shown(value: str | None) -> str:
    if value is None:
        return "absent"
    return value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "..."
