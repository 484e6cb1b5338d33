"""The base of all settings, and validation that names every mistake at once."""

import difflib
import typing
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Tag, ValidationError
from pydantic_core import ErrorDetails

from civicbench.core.errors import InvalidInputError

_GOT_CHARACTERS = 120
SettingsT = TypeVar("SettingsT", bound=BaseModel)
_Member = tuple[str | None, type[BaseModel]]


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys; field docstrings become the schema's text."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        allow_inf_nan=False,
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
        details = _without_consequences(error.errors(include_url=False))
        return None, tuple(_explain(kind, detail) for detail in details)


def list_mistakes(mistakes: Sequence[str]) -> str:
    """Return a count of mistakes with each on a line of its own."""
    count = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    return "\n".join([count, *(f"  - {mistake}" for mistake in mistakes)])


def _without_consequences(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Return mistakes without "too short" where entries could not be read: that only follows."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(
            len(place) > len(detail["loc"]) and place[: len(detail["loc"])] == detail["loc"]
            for place in places
        )
    ]


def _explain(kind: type[BaseModel], detail: ErrorDetails) -> str:
    parts, owners = _walk(kind, detail["loc"])
    path = ".".join(parts) or "(the whole)"
    if detail["type"] == "extra_forbidden":
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


def _walk(
    kind: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[list[str], list[type[BaseModel]]]:
    """Follow a mistake's location through the settings classes.

    Returns:
        The path as a user wrote it, without the names of union members that pydantic puts in, and
        the classes to which its last part belongs.
    """
    path: list[str] = []
    owners: list[type[BaseModel]] = [kind]
    current: list[_Member] = [(None, kind)]
    for number, part in enumerate(location):
        if isinstance(part, int):
            path.append(str(part))
            continue
        chosen = [member for member in current if _is_called(member, part)]
        if len(current) > 1 and chosen and number < len(location) - 1:
            current = chosen  # a union's member: not a key that anybody wrote
            continue
        path.append(part)
        owners = [model for _, model in current]
        fields = [model.model_fields[part] for model in owners if part in model.model_fields]
        current = [member for field in fields for member in _members(field.annotation)]
    return path, owners


def _is_called(member: _Member, name: str) -> bool:
    """Say whether a union's member is called so: by its tag, its class, or its discriminator."""
    tag, model = member
    return name in (tag, model.__name__) or any(
        typing.get_args(field.annotation) == (name,) for field in model.model_fields.values()
    )


def _members(annotation: Any, tag: str | None = None) -> list[_Member]:
    """Return the settings classes that stand in a type, each with its tag in a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(tag, annotation)]
    if typing.get_origin(annotation) is Annotated:
        inner, *metadata = typing.get_args(annotation)
        tag = next((entry.tag for entry in metadata if isinstance(entry, Tag)), tag)
        return _members(inner, tag)
    arguments = typing.get_args(annotation)
    return [member for argument in arguments for member in _members(argument, tag)]
