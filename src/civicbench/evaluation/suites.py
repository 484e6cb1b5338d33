"""Looking up suites by name."""

from dataclasses import dataclass
from pathlib import Path

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import parse_settings
from civicbench.evaluation.settings import SuiteSettings

_KIND = "evaluation/{name}/suite.yaml"


@dataclass(frozen=True)
class Suite:
    """A suite's settings with the folder they stand in."""

    settings: SuiteSettings
    folder: Path


def load_suite(name: str) -> Suite:
    """Return a suite by name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    path = find_content(_KIND, name)
    settings = parse_settings(SuiteSettings, read_yaml_mapping(path), where=str(path))
    if settings.name != path.parent.name:
        raise InvalidInputError(
            "name must equal the folder's name", where=f"{path}: name", got=settings.name
        )
    return Suite(settings, path.parent)


def list_suites() -> list[Suite]:
    """Return every suite, by name."""
    return [load_suite(name) for name in sorted(list_content(_KIND))]
