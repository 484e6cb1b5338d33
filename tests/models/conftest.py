from pathlib import Path

import pytest
from tests.models.factory import prepare_tiny

from civicbench.core.workspace import Workspace
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, load_renderer


@pytest.fixture
def workspace(home: Path) -> Workspace:
    return Workspace(home)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    """The tiny random model, made ready once."""
    return prepare_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def renderer(tiny: PreparedModel) -> ChatRenderer:
    return load_renderer(tiny)
