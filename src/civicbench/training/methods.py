"""Looking up training methods by name, and changing single settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import parse_settings
from civicbench.training.settings import TrainingMethod, TrainingSettings

_KIND = "training/{name}.yaml"


def load_method(name: str) -> TrainingMethod:
    """Return a training method by name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    return _read(find_content(_KIND, name))


def list_methods() -> list[TrainingMethod]:
    """Return every training method, by name."""
    return [_read(path) for _, path in sorted(list_content(_KIND).items())]


def changed_settings(
    method: TrainingMethod, changes: Mapping[str, Any], *, where: str
) -> TrainingSettings:
    """Return a method's settings with some of them changed.

    Args:
        method: The method.
        changes: New values by setting.
        where: The recipe's path, for the message.

    Raises:
        InvalidInputError: An unknown setting or a wrong value, all at once.
    """
    merged = {**method.settings.model_dump(mode="json"), **changes}
    return parse_settings(TrainingSettings, merged, where=where)


def _read(path: Path) -> TrainingMethod:
    method = parse_settings(TrainingMethod, read_yaml_mapping(path), where=str(path))
    if method.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=method.name
        )
    return method
