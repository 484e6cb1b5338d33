"""Several adapters on one load of the base: each is itself, and the base stays the base."""

from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from tests.evaluation.factory import QUIET, language_model
from tests.evaluation.scorer.adapters import make_adapter, make_full
from tests.models.factory import prepare_tiny

from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.core.ranks import Ranks
from civicbench.evaluation.scorer import host as host_module
from civicbench.evaluation.scorer.engines import LocalEngine
from civicbench.evaluation.scorer.host import HostSettings, ModelHost
from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.evaluation.scorer.reading import Reader
from civicbench.models.loading import load_adapter, load_base, load_weights
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message

PROBE = (5, 6, 7, 8)


@pytest.fixture(scope="module")
def adapters(tiny: PreparedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {
        "one": make_adapter(tiny, folder / "one", seed=1, rank=2),
        "two": make_adapter(tiny, folder / "two", seed=2, rank=4),
        "untrained": make_adapter(tiny, folder / "untrained", seed=0, rank=2),
    }


def host(prepared: PreparedModel, adapters: dict[str, Path], **changes: bool) -> ModelHost:
    settings = {"quantisation": None, "spread": False, **changes}
    return ModelHost(
        prepared, HostSettings(precision="float32", adapters=adapters, probe=PROBE, **settings)
    )


def requests(renderer: ChatRenderer) -> list[Instance]:
    prompt = renderer.render_prompt([Message(role="user", content="Colour?")])
    return [Instance("loglikelihood", {}, (prompt, c), 0) for c in ("red", "green", "blue")]


def scores(reader: Reader, renderer: ChatRenderer) -> list[tuple[float, bool]]:
    model = EngineLM(
        LocalEngine(reader, renderer),
        renderer=renderer,
        context_length_tokens=512,
        reporter=QUIET,
    )
    return model.loglikelihood(requests(renderer))


def test_each_adapter_scores_as_it_does_alone_and_the_base_as_before(
    tiny: PreparedModel,
    adapters: dict[str, Path],
    renderer: ChatRenderer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads = []
    load = host_module.load_base
    monkeypatch.setattr(host_module, "load_base", lambda *a, **k: loads.append(1) or load(*a, **k))
    shared = host(tiny, adapters)
    before = scores(shared.select(None), renderer)
    found = {name: scores(shared.select(name), renderer) for name in ("one", "two")}
    assert scores(shared.select(None), renderer) == before
    assert scores(shared.select("one"), renderer) == found["one"]
    assert len(loads) == 1
    for name in ("one", "two"):
        alone = load_adapter(
            load_base(tiny, precision="float32"),
            adapters[name],
            base_weights_digest=tiny.record.weights_digest,
        )
        assert scores(Reader(alone), renderer) == found[name]
    plain = language_model(load_base(tiny, precision="float32"), renderer)
    assert plain.loglikelihood(requests(renderer)) == before
    assert found["one"] != found["two"] != before


def test_an_adapter_that_changes_nothing_is_refused(
    tiny: PreparedModel, adapters: dict[str, Path]
) -> None:
    with pytest.raises(WorkFailedError, match="changes nothing"):
        host(tiny, adapters).select("untrained")


@pytest.fixture(scope="module")
def full(tiny: PreparedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two fully trained models, and one that is its base."""
    folder = tmp_path_factory.mktemp("full")
    return {
        name: make_full(tiny, folder / name, change=change)
        for name, change in (("moved", 0.5), ("moved far", 2.0), ("still", 0.0))
    }


def test_a_fully_trained_model_scores_as_itself_beside_base_and_adapters(
    tiny: PreparedModel,
    adapters: dict[str, Path],
    full: dict[str, Path],
    renderer: ChatRenderer,
) -> None:
    shared = host(tiny, {**adapters, **full})
    before = scores(shared.select(None), renderer)
    for name in ("moved", "one", "moved far", "moved"):
        found = scores(shared.select(name), renderer)
        if name == "one":
            alone = scores(host(tiny, adapters).select("one"), renderer)
        else:
            model = load_weights(full[name], precision="float32")
            alone = language_model(model, renderer).loglikelihood(requests(renderer))
        assert found == alone != before
    assert scores(shared.select(None), renderer) == before


def test_a_fully_trained_model_that_is_its_base_is_refused(
    tiny: PreparedModel, full: dict[str, Path]
) -> None:
    with pytest.raises(WorkFailedError, match="is its base"):
        host(tiny, full).select("still")


def test_a_fully_trained_model_of_another_base_is_refused(
    full: dict[str, Path], tmp_path: Path
) -> None:
    other = prepare_tiny(tmp_path, seed=9)
    with pytest.raises(InvalidInputError, match="trained from another base"):
        host(other, full).select("moved")


def test_an_adapter_of_another_base_is_refused(adapters: dict[str, Path], tmp_path: Path) -> None:
    other = prepare_tiny(tmp_path, seed=9)
    with pytest.raises(InvalidInputError, match="trained on another base"):
        host(other, adapters).select("one")


def test_a_spread_model_cannot_be_shared_by_processes(tiny: PreparedModel) -> None:
    settings = HostSettings("float32", quantisation=None, spread=True, adapters={}, probe=PROBE)
    with pytest.raises(InvalidInputError, match="several processes"):
        ModelHost(tiny, settings, ranks=Ranks(rank=1, size=2))
