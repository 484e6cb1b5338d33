"""Looking up gates by name."""

from pathlib import Path

from civicbench.core.content import find_content, list_content
from civicbench.core.digests import digest_json
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import parse_settings
from civicbench.registry.gates import Gate

_KIND = "configs/gates/{name}.yaml"


def load_gate(name: str) -> Gate:
    """Return a gate by name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    return _read(find_content(_KIND, name))


def list_gates() -> list[Gate]:
    """Return every gate, by name."""
    return [_read(path) for _, path in sorted(list_content(_KIND).items())]


def gate_digest(gate: Gate) -> str:
    """Return the digest of a gate's settings."""
    return digest_json(gate.model_dump(mode="json"))


def _read(path: Path) -> Gate:
    gate = parse_settings(Gate, read_yaml_mapping(path), where=str(path))
    if gate.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=gate.name
        )
    return gate
