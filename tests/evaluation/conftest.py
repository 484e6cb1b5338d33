from collections.abc import Iterator

import pytest
from tests.evaluation.factory import language_model
from tests.models.factory import prepare_tiny, sharp_model
from transformers import PreTrainedModel

from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.models import loading
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, load_renderer


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
def model(tiny: PreparedModel) -> PreTrainedModel:
    return sharp_model(tiny)


@pytest.fixture
def scorer(model: PreTrainedModel, renderer: ChatRenderer) -> EngineLM:
    return language_model(model, renderer)
