"""A merged model is base and adapter together, or it is not written."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tests.training.methods import ADAPTERS, FULL, QUANTISED, logits_of, trained

from civicbench.core.errors import WorkFailedError
from civicbench.models import merging
from civicbench.models.loading import load_weights
from civicbench.models.merging import answer_log_likelihoods, check_parity, write_merged
from civicbench.models.prepare import PreparedModel
from civicbench.models.trained import load_trained
from civicbench.training.inputs import TrainingInputs

SAME = 1e-4


@pytest.mark.parametrize("name", [*ADAPTERS, *QUANTISED, "full"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_merged_model_is_base_and_adapter_together(
    name: str, precision: Any, tiny: PreparedModel, inputs: TrainingInputs, tmp_path: Path
) -> None:
    if name in QUANTISED:
        pytest.importorskip("bitsandbytes")
    changes = {**ADAPTERS, **QUANTISED, "full": FULL}[name]
    _, made = trained(changes, tiny, inputs.train, tmp_path / "made")
    target = tmp_path / "merged"
    target.mkdir()
    rows = [example.rendered for example in inputs.train]
    parity = write_merged(tiny, made, folder=target, precision=precision, rows=rows)
    together = load_trained(tiny, made, precision="float32")
    merged = load_weights(target, precision="float32")
    apart = (logits_of(merged, inputs.train) - logits_of(together, inputs.train)).abs().max()
    assert apart < (SAME if precision == "float32" else 0.1)
    assert parity.largest_nats <= parity.tolerance_nats
    assert (parity.rows, parity.tokens) == (7, sum(len(r.completion_ids) for r in rows))
    weights = load_file(target / "model.safetensors")
    assert {str(w.dtype) for w in weights.values()} == {f"torch.{precision}"}


def test_a_model_that_was_merged_wrongly_is_refused_with_how_far_it_is_apart(
    tiny: PreparedModel,
    inputs: TrainingInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, made = trained({}, tiny, inputs.train, tmp_path / "made")
    write = merging.write_weights

    def spoilt(model: Any, **arguments: Any) -> None:
        write(model, **arguments)
        path = arguments["folder"] / "model.safetensors"
        weights = load_file(path)
        weights["model.norm.weight"] *= 1.5
        save_file(weights, path, metadata={"format": "pt"})

    monkeypatch.setattr(merging, "write_weights", spoilt)
    (tmp_path / "merged").mkdir()
    with pytest.raises(WorkFailedError, match="not the one that was trained") as caught:
        write_merged(
            tiny, made, folder=tmp_path / "merged", precision="float32",
            rows=[example.rendered for example in inputs.train],
        )  # fmt: skip
    assert "nats a token" in str(caught.value)


def test_a_merge_is_held_to_float32_whatever_it_is_rounded_to(
    tiny: PreparedModel,
    inputs: TrainingInputs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """0.25 nats are for rounding: a merge that is off by less is refused all the same."""
    _, made = trained({}, tiny, inputs.train, tmp_path / "made")
    measure = merging.answer_log_likelihoods

    def moved(model: Any, rows: Any) -> list[list[float]]:
        off = 0.0 if isinstance(model, PeftModel) else 1e-3
        return [[value - off for value in row] for row in measure(model, rows)]

    monkeypatch.setattr(merging, "answer_log_likelihoods", moved)
    (tmp_path / "merged").mkdir()
    with pytest.raises(WorkFailedError, match=r"0\.001 nats a token"):
        write_merged(
            tiny, made, folder=tmp_path / "merged", precision="bfloat16",
            rows=[example.rendered for example in inputs.train],
        )  # fmt: skip
    assert not list((tmp_path / "merged").iterdir())


@pytest.mark.parametrize("found", [float("nan"), -1.2, float("-inf")])
def test_parity_takes_no_mean_over_rows(found: float) -> None:
    good = [[-1.0, -2.0]] * 99
    with pytest.raises(WorkFailedError):
        check_parity([*good, [-1.0, -2.0]], [*good, [found, -2.0]], tolerance_nats=0.05)


def test_distances_of_tokens_do_not_cancel() -> None:
    with pytest.raises(WorkFailedError):
        check_parity([[-1.0, -2.0]], [[-1.1, -1.9]], tolerance_nats=0.05)
    assert check_parity([[-1.0]], [[-1.04]], tolerance_nats=0.05).largest_nats > 0.03


def test_log_likelihoods_are_those_of_the_answers_tokens(
    tiny: PreparedModel, inputs: TrainingInputs
) -> None:
    model = load_weights(tiny.folder, precision="float32").eval()
    example = inputs.train[1]
    [found] = answer_log_likelihoods(model, [example.rendered])
    ids = torch.tensor([example.input_ids])
    with torch.inference_mode():
        loss = model(input_ids=ids, labels=torch.tensor([example.labels])).loss
    assert len(found) == len(example.rendered.completion_ids)
    assert -sum(found) / len(found) == pytest.approx(float(loss), abs=1e-5)
