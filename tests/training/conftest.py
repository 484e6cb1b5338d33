from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.models.factory import prepare_tiny
from tests.training.factory import make_inputs, make_settings, run

from civicbench.models import loading
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, load_renderer
from civicbench.training.inputs import TrainingInputs


@pytest.fixture(scope="session", autouse=True)
def _one_core() -> Iterator[None]:
    """Tiny matrices are slower on two threads than on one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "usable_cores", lambda: 1)
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    """The tiny random model, made ready once."""
    return prepare_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def renderer(tiny: PreparedModel) -> ChatRenderer:
    return load_renderer(tiny)


@pytest.fixture(scope="session")
def inputs(tiny: PreparedModel, renderer: ChatRenderer) -> TrainingInputs:
    return make_inputs(tiny, renderer)


@pytest.fixture(scope="session")
def finished(inputs: TrainingInputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of eight steps, for reading only."""
    return run(make_settings(), inputs, tmp_path_factory.mktemp("finished"))
