"""The base of all settings, and validation that names every mistake at once."""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Tag, ValidationError
from pydantic_core import ErrorDetails

from civicbench.core.errors import InvalidInputError

_GOT_CHARACTERS = 120
SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; field docstrings become the schema's text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to a mistyped one, or None where none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return near[0] if near else None


def parse_settings(kind: type[SettingsT], data: Any, *, where: str) -> SettingsT:
    """Validate data as settings, or raise one error that lists every mistake.

    Args:
        kind: The settings class.
        data: What was read from YAML or JSON.
        where: The file's path, for the message.

    Raises:
        InvalidInputError: With each mistake's full path, what was got, and a suggestion.
    """
    value, mistakes = check_settings(kind, data)
    if value is None:
        raise InvalidInputError(list_mistakes(mistakes), where=where)
    return value


def check_settings(kind: type[SettingsT], data: Any) -> tuple[SettingsT | None, tuple[str, ...]]:
    """Return (settings, no mistakes), or (None, every mistake with its full path)."""
    try:
        return kind.model_validate(data), ()
    except ValidationError as error:
        return None, tuple(_explain(kind, detail) for detail in error.errors(include_url=False))


def list_mistakes(mistakes: Sequence[str]) -> str:
    """Return a count of mistakes with each on a line of its own."""
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return "\n".join([count, *(f"  - {mistake}" for mistake in mistakes)])


def _explain(kind: type[BaseModel], detail: ErrorDetails) -> str:
    path = ".".join(str(part) for part in detail["loc"]) or "(the whole)"
    if detail["type"] == "extra_forbidden":
        owners = _models_at(kind, detail["loc"][:-1])
        known = list(dict.fromkeys(name for owner in owners for name in owner.model_fields))
        near = suggest(str(detail["loc"][-1]), known)
        hint = f"did you mean {near}?" if near else f"known keys: {', '.join(known)}"
        return f"{path}: unknown key; {hint}"
    if detail["type"] == "missing":
        return f"{path}: missing"
    got = repr(detail["input"])
    if len(got) > _GOT_CHARACTERS:
        got = got[:_GOT_CHARACTERS] + "..."
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message[:1].lower()}{message[1:]}; got {got}"


def _models_at(kind: type[BaseModel], path: tuple[int | str, ...]) -> list[type[BaseModel]]:
    """Return the settings classes that may stand at a path of field names, indices and tags."""
    current: list[tuple[str | None, type[BaseModel]]] = [(None, kind)]
    for part in path:
        if isinstance(part, int):
            continue
        fields = [m.model_fields[part] for _, m in current if part in m.model_fields]
        if fields:
            current = [entry for field in fields for entry in _models(field.annotation)]
        elif tagged := [entry for entry in current if entry[0] == part or _says(entry[1], part)]:
            # Tagged unions put the tag into the path.
            current = tagged
    return [model for _, model in current]


def _models(annotation: Any, tag: str | None = None) -> list[tuple[str | None, type[BaseModel]]]:
    """Return the settings classes in an annotation, each with the tag of its place in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(tag, annotation)]
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = typing.get_args(annotation)
        tag = next((entry.tag for entry in metadata if isinstance(entry, Tag)), tag)
        return _models(inner, tag)
    if origin in (typing.Union, types.UnionType, list, tuple, dict):
        return [found for part in typing.get_args(annotation) for found in _models(part, tag)]
    return []


def _says(model: type[BaseModel], tag: str) -> bool:
    """Return whether a class has a field that can only be the tag."""
    return any(typing.get_args(field.annotation) == (tag,) for field in model.model_fields.values())
