"""From a recipe file to its resolved mapping: `extends`, then overrides, then the method."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import parse_yaml_value, read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.training.methods import load_method

RECIPE_KIND = "recipes/{name}.yaml"
_METHOD_KIND = "training/{name}.yaml"


def recipe_path(reference: str) -> Path:
    """Return a recipe's file, given by its name or by a path.

    Raises:
        InvalidInputError: No such recipe; with the nearest known one.
    """
    if reference.endswith((".yaml", ".yml")):
        return Path(reference)
    return find_content(RECIPE_KIND, reference)


def resolve_mapping(path: Path, *, overrides: Sequence[str]) -> dict[str, Any]:
    """Return a recipe's mapping with `extends` and overrides applied.

    Args:
        path: The recipe's file.
        overrides: `key.path=value` texts; values are YAML.

    Raises:
        InvalidInputError: A cycle in `extends`, or an override that is not one.
    """
    mapping = _extended(path, chain=())
    for text in overrides:
        _override(mapping, text)
    return mapping


def with_method(mapping: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping with the training method's settings filled in under the changes.

    Where `training.use` does not name a method, the mapping is returned as it is, and
    validation says what is missing.
    """
    training = mapping.get("training")
    use = training.get("use") if isinstance(training, dict) else None
    if not isinstance(use, str) or use not in list_content(_METHOD_KIND):
        return mapping
    settings = load_method(use).settings.model_dump(mode="json")
    return {**mapping, "training": {**settings, **mapping["training"]}}


def _extended(path: Path, *, chain: tuple[Path, ...]) -> dict[str, Any]:
    here = path.resolve()
    if here in chain:
        names = " -> ".join(p.stem for p in (*chain, here))
        raise InvalidInputError("recipes extend each other in a circle", where=str(path), got=names)
    mapping = read_yaml_mapping(path)
    parent = mapping.pop("extends", None)
    if parent is None:
        return mapping
    if not isinstance(parent, str):
        raise InvalidInputError(
            "extends must be a recipe's name", where=f"{path}: extends", got=repr(parent)
        )
    sibling = path.parent / f"{parent}.yaml"
    parent_path = sibling if sibling.is_file() else recipe_path(parent)
    return _merged(_extended(parent_path, chain=(*chain, here)), mapping)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return two mappings as one: mappings are merged, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        # Another method has settings of its own: those of the one below do not carry over.
        if key == "training" and isinstance(value, dict) and "use" in value:
            old = None
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _override(mapping: dict[str, Any], text: str) -> None:
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise InvalidInputError(
            "an override must read key.path=value", where="command line", got=text
        )
    at = mapping
    for position, key in enumerate(keys[:-1]):
        below = at.setdefault(key, {})
        if not isinstance(below, dict):
            place = ".".join(keys[: position + 1])
            raise InvalidInputError(
                f"{place} is not a mapping, so nothing can be set inside it",
                where="command line",
                got=text,
            )
        at = below
    at[keys[-1]] = parse_yaml_value(value, where=f"command line: {path}")


def unknown_name(kind: str, name: object, *, key: str) -> str | None:
    """Return the mistake of naming a part that does not exist, or None where it does."""
    known = list_content(kind)
    if not isinstance(name, str) or name in known:
        return None
    near = suggest(name, known)
    folder = kind.split("{name}")[0].rstrip("/")
    hint = f"did you mean {near}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"
    return f"{key}: there is no {name!r} in {folder}/; {hint}"
