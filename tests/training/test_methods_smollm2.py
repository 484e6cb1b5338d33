"""Every shipped method on SmolLM2-135M: starts as the base, learns, merges within tolerance.

Run where $CIVICBENCH_TEST_HOME names a workspace in which the model stands
(`civicbench models fetch smollm2-135m-instruct`).
"""

import os
from pathlib import Path

import pytest
from tests.training.factory import make_examples
from tests.training.methods import logits_of, save, steps

from civicbench.core.workspace import Workspace
from civicbench.models.catalogue import load_model_entry
from civicbench.models.loading import load_base
from civicbench.models.merging import write_merged
from civicbench.models.prepare import PreparedModel, find_prepared
from civicbench.models.rendering import load_renderer
from civicbench.models.trained import load_trained
from civicbench.training.adapting import build_trainable_model
from civicbench.training.examples import Example
from civicbench.training.methods import list_methods, load_method

NAMES = [method.name for method in list_methods()]
START = 1e-3  # of logits that reach 30
Model = tuple[PreparedModel, list[Example]]


@pytest.fixture(scope="module")
def smollm2() -> Model:
    home = os.environ.get("CIVICBENCH_TEST_HOME")
    prepared = None
    if home is not None:
        prepared = find_prepared(
            load_model_entry("smollm2-135m-instruct"), workspace=Workspace(Path(home))
        )
    if prepared is None:
        pytest.skip("$CIVICBENCH_TEST_HOME names no workspace with smollm2-135m-instruct")
    return prepared, make_examples(load_renderer(prepared), rows=4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_method_trains_and_merges(name: str, smollm2: Model, tmp_path: Path) -> None:
    prepared, rows = smollm2
    settings = load_method(name).settings.model_copy(update={"learning_rate": 1e-4})
    if settings.quantisation is not None:
        pytest.importorskip("bitsandbytes")
    held = {"precision": settings.precision, "quantisation": settings.quantisation}
    model = build_trainable_model(settings, prepared, spread=False)
    base = logits_of(load_base(prepared, **held), rows)
    start = float((logits_of(model, rows) - base).abs().max())
    losses = steps(model, settings, rows, count=3)
    folder = save(model, settings, prepared, tmp_path / "made")
    again = logits_of(load_trained(prepared, folder, **held), rows)
    kept = float((logits_of(model, rows) - again).abs().max())
    del model
    found = {}
    for precision in ("float32", "bfloat16"):
        (tmp_path / precision).mkdir()
        found[precision] = write_merged(
            prepared,
            folder,
            folder=tmp_path / precision,
            precision=precision,
            rows=[row.rendered for row in rows],
        ).largest_nats
    print(
        f"\n{name}: start apart {start:.1e}, loss {losses[0]:.3f} to {losses[-1]:.3f}, written "
        f"apart {kept:.1e}; merged apart {found['float32']:.1e} nats a token in float32, "
        f"{found['bfloat16']:.1e} in bfloat16"
    )
    assert start < START
    assert losses[-1] < losses[0]
    assert kept < START
