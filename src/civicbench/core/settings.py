"""The base of all settings, and validation that names every mistake at once."""

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
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
        owner = _model_at(kind, detail["loc"][:-1])
        known = list(owner.model_fields) if owner else []
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


def _model_at(kind: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel] | None:
    """Return the settings class that stands at a path of field names and indices."""
    current: type[BaseModel] | None = kind
    for part in path:
        if current is None:
            return None
        if isinstance(part, int):
            continue
        field = current.model_fields.get(part)
        if field is None:
            # Tagged unions put the tag into the path: stay where we are.
            continue
        current = _first_model(field.annotation)
    return current


def _first_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, list, tuple, dict):
        for argument in typing.get_args(annotation):
            found = _first_model(argument)
            if found is not None:
                return found
    return None
