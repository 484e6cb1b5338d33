"""YAML as plain data: no tags, no objects, no bombs, and every key that stands twice."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.readers.json_values import JsonValue
from civicbench.datasets.readers.text import Encoding, read_text

_MAXIMUM_DEPTH = 100
_MAXIMUM_REPEATED = 100_000
_TAG = "tag:yaml.org,2002:"
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+]?[0-9]+)?")
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_MERGE = f"{_TAG}merge"


@dataclass(frozen=True, slots=True)
class DoubledKey:
    """A key whose value is overridden by a later one of the same name."""

    line: int
    """Line of the earlier key, from 1."""
    key: str
    """The key."""
    value: str
    """The value that does not count, or what kind it is."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader up to its nodes, with a limit of depth."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _MAXIMUM_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {_MAXIMUM_DEPTH} levels")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Builder:
    """Turns nodes into values, counting what aliases repeat."""

    def __init__(self) -> None:
        self.doubled: list[DoubledKey] = []
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._repeated = 0

    def build(self, node: yaml.Node) -> JsonValue:
        if id(node) in self._open:
            raise _fault(node, "an alias inside the value that it names")
        if id(node) in self._seen:
            length = len(node.value) if isinstance(node, yaml.ScalarNode) else 0
            self._repeated += 1 + length // 64
            if self._repeated > _MAXIMUM_REPEATED:
                raise _fault(node, "aliases repeat too much (a bomb?)")
        self._seen.add(id(node))
        self._open.add(id(node))
        value = self._build(node)
        self._open.discard(id(node))
        return value

    def _build(self, node: yaml.Node) -> JsonValue:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(entry) for entry in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node)
        raise _fault(node, f"the tag {node.tag.removeprefix(_TAG)} is not read here")

    def _mapping(self, node: yaml.MappingNode) -> dict[str, JsonValue]:
        values: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _fault(key, "a key must be text")
            if key.tag == _MERGE:
                merged = self._merge(value) | merged
                continue
            if key.value in values:
                self._note_double(node, key.value)
                del values[key.value]
            values[key.value] = self.build(value)
        return {key: entry for key, entry in merged.items() if key not in values} | values

    def _merge(self, node: yaml.Node) -> dict[str, JsonValue]:
        value = self.build(node)
        parts = value if isinstance(value, list) else [value]
        merged: dict[str, JsonValue] = {}
        for part in parts:
            if not isinstance(part, dict):
                raise _fault(node, "only a mapping can be merged with <<")
            merged = part | merged
        return merged

    def _note_double(self, node: yaml.MappingNode, name: str) -> None:
        found = [(key, value) for key, value in node.value if key.value == name]
        key, value = found[0]
        got = value.value if isinstance(value, yaml.ScalarNode) else "a collection"
        self.doubled.append(DoubledKey(key.start_mark.line + 1, name, got))


def read_yaml(path: Path, *, encoding: Encoding = "utf-8") -> tuple[JsonValue, list[DoubledKey]]:
    """Return (the value of a YAML file of one document, its keys that are overridden).

    Whole numbers and decimals are numbers only where they are written as JSON has them: times,
    octal numbers and dates stay text. Aliases and merge keys are followed, up to 100,000 repeated
    values (a long text counts more).

    Raises:
        InvalidInputError: Not YAML, empty, several documents, a tag of another language, a bomb.
    """
    text = read_text(path, encoding=encoding)
    builder = _Builder()
    try:
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            raise InvalidInputError("is empty", where=str(path))
        return builder.build(node), builder.doubled
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise InvalidInputError(
            "is not YAML that can be read",
            where=f"{path}:{mark.line + 1}" if mark else str(path),
            got=" ".join(str(error).split())[:300],
        ) from None


def _scalar(node: yaml.ScalarNode) -> JsonValue:
    text, tag = str(node.value), node.tag.removeprefix(_TAG)
    if tag == "null":
        return None
    if tag == "bool":
        return text in _TRUE
    if tag == "int" and _INTEGER.fullmatch(text) and len(text) < 20:
        return int(text)
    if tag == "float" and _FLOAT.fullmatch(text):
        return float(text)
    if tag in ("str", "int", "float", "timestamp", "value", "merge"):
        return text
    raise _fault(node, f"the tag {tag} is not read here")


def _fault(node: yaml.Node, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
