"""Looking up base models by name."""

from pathlib import Path

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import parse_settings
from civicbench.models.settings import ModelEntry

_KIND = "configs/models/{name}.yaml"


def load_model_entry(name: str) -> ModelEntry:
    """Return the catalogue entry of a name.

    Raises:
        InvalidInputError: No such name, or its file has mistakes.
    """
    return _read(find_content(_KIND, name))


def list_model_entries() -> list[ModelEntry]:
    """Return every entry, by name."""
    return [_read(path) for _, path in sorted(list_content(_KIND).items())]


def _read(path: Path) -> ModelEntry:
    entry = parse_settings(ModelEntry, read_yaml_mapping(path), where=str(path))
    if entry.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=entry.name
        )
    return entry
