"""Records inside nested values: a pattern that points at them, and their fields made flat."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from civicbench.core.settings import Settings
from civicbench.datasets.readers.json_values import JsonValue
from civicbench.datasets.readers.record import Malformed, Record, Scalar, make_record

Pattern = Annotated[str, Field(pattern=r"^(/[^/]+)*$")]
_MAXIMUM_DEPTH = 100


class Shape(Settings):
    """How nested values become flat fields."""

    joiner: str = "; "
    """Put between the entries of a list of scalars, which becomes one text."""
    levels: Annotated[int, Field(ge=1, le=_MAXIMUM_DEPTH + 1)] = _MAXIMUM_DEPTH + 1
    """How many levels of mappings become fields, named `outer.inner`; with 1, a mapping in a
    record becomes JSON text."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A value that a pattern points at."""

    pointer: str
    """Its JSON pointer."""
    value: JsonValue
    """The value itself."""
    above: dict[str, Scalar] = field(default_factory=dict)
    """Scalars of the mappings above it, and the keys that wildcards met."""


def split_pattern(pattern: str) -> tuple[str, ...]:
    """Return the steps of a pattern such as `/benefits/*`; the empty pattern has none."""
    return tuple(_unescape(step) for step in pattern.split("/")[1:])


def select(value: JsonValue, steps: tuple[str, ...], *, pointer: str = "") -> Iterator[Selected]:
    """Yield the values at a pattern's steps, where `*` stands for every key or index.

    Args:
        value: A document, or an entry of its array.
        steps: The pattern's steps from there on.
        pointer: Where `value` stands in the document.
    """
    yield from _select(value, steps, pointer, {}, "level1", 2 if pointer else 1)


def _select(
    value: JsonValue,
    steps: tuple[str, ...],
    pointer: str,
    above: dict[str, Scalar],
    name: str,
    level: int,
) -> Iterator[Selected]:
    if not steps:
        yield Selected(pointer, value, above)
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        scalars = {
            f"{name}.{key}": entry
            for key, entry in value.items()
            if not isinstance(entry, dict | list)
        }
        here = above | scalars
        if step != "*":
            if step in value:
                child = f"{pointer}/{_escape(step)}"
                yield from _select(value[step], rest, child, here, step, level + 1)
            return
        for key, entry in value.items():
            child = f"{pointer}/{_escape(key)}"
            keyed = here | {f"{name}.key": key}
            following = name if rest and rest[0] != "*" else f"level{level + 1}"
            yield from _select(entry, rest, child, keyed, following, level + 1)
    elif isinstance(value, list) and (step == "*" or step.isdecimal()):
        for index, entry in enumerate(value):
            if step in ("*", str(index)):
                yield from _select(entry, rest, f"{pointer}/{index}", above, name, level + 1)


def flatten(value: JsonValue, *, shape: Shape) -> dict[str, Scalar]:
    """Return a value as flat fields.

    Mappings become `name.inner`, lists of scalars one text with the joiner between the entries,
    and what else there is JSON text. A value that is no mapping becomes the field `value`.

    Raises:
        ValueError: It is nested deeper than 100 levels, or two values take one name.
    """
    fields: dict[str, Scalar] = {}
    if not isinstance(value, dict):
        fields["value"] = _flat(value, shape.joiner)
        return fields
    pending: list[tuple[str, JsonValue, int]] = [(key, value[key], 1) for key in reversed(value)]
    while pending:
        name, entry, depth = pending.pop()
        if depth > _MAXIMUM_DEPTH:
            raise ValueError(f"nested deeper than {_MAXIMUM_DEPTH} levels")
        if isinstance(entry, dict) and entry and depth < shape.levels:
            pending.extend((f"{name}.{key}", entry[key], depth + 1) for key in reversed(entry))
        elif name in fields:
            raise ValueError(f"two values would both be named {name}")
        else:
            fields[name] = _flat(entry, shape.joiner)
    return fields


def make_selected(
    file: str, selected: Selected, *, shape: Shape, ancestors: bool
) -> Record | Malformed:
    """Return the record of a selected value, or why there is none."""
    place = f"{file}#{selected.pointer}"
    try:
        fields = flatten(selected.value, shape=shape)
    except ValueError as error:
        return Malformed(place, str(error), shorten(selected.value))
    if ancestors:
        if double := sorted(selected.above.keys() & fields.keys()):
            return Malformed(place, f"{double[0]} is also a field above it", str(fields[double[0]]))
        fields = selected.above | fields
    return make_record(place, fields)


def shorten(value: JsonValue) -> str:
    """Return a value as text for a message."""
    try:
        return json.dumps(value, ensure_ascii=False)[:400]
    except RecursionError:
        return "a value nested too deeply to show"


def _flat(value: JsonValue, joiner: str) -> Scalar:
    if not isinstance(value, dict | list):
        return value
    if isinstance(value, list) and not any(
        entry is None or isinstance(entry, dict | list) for entry in value
    ):
        return joiner.join(
            entry if isinstance(entry, str) else json.dumps(entry) for entry in value
        )
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("a list nested too deeply") from None


def _escape(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _unescape(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
