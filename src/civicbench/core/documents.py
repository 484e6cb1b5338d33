"""Reading YAML, JSON and JSON-lines files that people wrote, strictly."""

import json
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from civicbench.core.errors import InvalidInputError, PartAbsentError

_MAXIMUM_SETTINGS_BYTES = 4 << 20


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, refusing duplicate keys and aliases (alias bombs)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(
                f"aliases (*{event.anchor}) are not read here, line {event.start_mark.line + 1}"
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"a key must be text, line {key_node.start_mark.line + 1}")
            if key in seen:
                raise yaml.YAMLError(
                    f"the key {key!r} stands twice, line {key_node.start_mark.line + 1}"
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def read_text(path: Path) -> str:
    """Read a UTF-8 text file (a byte-order mark is dropped).

    Raises:
        PartAbsentError: There is no such file, it is a folder, or it may not be read.
        InvalidInputError: It is not UTF-8, with the first bad byte's place.
    """
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise PartAbsentError("no such file", where=str(path)) from None
    except IsADirectoryError:
        raise PartAbsentError("is a folder, not a file", where=str(path)) from None
    except OSError as error:
        raise PartAbsentError("cannot be read", where=str(path), got=str(error)) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            "is not UTF-8 text",
            where=str(path),
            got=f"byte 0x{content[error.start]:02x} at position {error.start}",
            remedy="save the file as UTF-8",
        ) from None


def read_yaml_mapping(path: Path) -> dict[str, Any]:
    """Read a YAML settings file whose top is a mapping of text keys.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: Not UTF-8, not YAML, empty, a list, a duplicate key, an alias.
    """
    text = read_text(path)
    if len(text) > _MAXIMUM_SETTINGS_BYTES:
        raise InvalidInputError(
            "is too large for a settings file", where=str(path), got=f"{len(text)} characters"
        )
    return parse_yaml_mapping(text, where=str(path))


def parse_yaml_mapping(text: str, *, where: str) -> dict[str, Any]:
    """Parse YAML text whose top is a mapping of text keys; see `read_yaml_mapping`."""
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader subclass)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no such day, too many digits
        raise InvalidInputError("is not valid YAML", where=where, got=str(error)) from None
    except RecursionError:
        raise InvalidInputError("is nested too deeply", where=where) from None
    if data is None:
        raise InvalidInputError(
            "is empty", where=where, remedy="see `civicbench recipes show smoke` for an example"
        )
    if not isinstance(data, dict):
        raise InvalidInputError(
            "must be a mapping of keys to values", where=where, got=f"a {type(data).__name__}"
        )
    odd = [key for key in data if not isinstance(key, str)]
    if odd:
        raise InvalidInputError("keys must be text", where=where, got=repr(odd[0]))
    return data


def parse_yaml_value(text: str, *, where: str) -> Any:
    """Parse one YAML value, as in `key.path=value` on the command line."""
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 (a SafeLoader subclass)
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInputError("is not a valid value", where=where, got=str(error)) from None
    except RecursionError:
        raise InvalidInputError("is nested too deeply", where=where) from None


def iterate_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each line of a JSON-lines file.

    Blank lines are skipped.

    Raises:
        PartAbsentError: There is no such file.
        InvalidInputError: Not UTF-8, or a line is not a JSON object; with its number.
    """
    for number, line in iterate_lines(path):
        yield number, parse_json_object(line, where=f"{path}:{number}")


def iterate_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for each line of a text file that is not blank."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line


def parse_json_object(text: str, *, where: str) -> dict[str, Any]:
    """Parse one JSON object as a person or another program wrote it.

    Raises:
        InvalidInputError: Not JSON, not an object, a key that stands twice, a number that is
            not finite, or text that is not Unicode (half of a surrogate pair).
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except ValueError as error:
        raise InvalidInputError("is not valid JSON", where=where, got=str(error)) from None
    except RecursionError:
        raise InvalidInputError("is nested too deeply", where=where) from None
    if not isinstance(value, dict):
        raise InvalidInputError("must be a JSON object", where=where, got=type(value).__name__)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        double = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {double!r} stands twice")
    for key, entry in pairs:
        if _has_half(key) or _has_half(entry):
            raise ValueError(f"{key!r} holds half of a surrogate pair")
    return value


def _has_half(entry: Any) -> bool:
    """Return whether a text, or one inside a list, is not Unicode; objects were looked at."""
    if isinstance(entry, list):
        return any(_has_half(part) for part in entry)
    return isinstance(entry, str) and any("\ud800" <= c <= "\udfff" for c in entry)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON has")
