"""Merging an adapter into its base, held to what was trained by a parity gate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.errors import WorkFailedError
from civicbench.models.loading import Precision, load_weights
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import RenderedExample
from civicbench.models.trained import (
    CONFIGURATION_NAME,
    load_trained,
    trained_kind,
    weights_of,
    write_configuration,
    write_weights,
)

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

# Merging in float32 only adds in another order. bfloat16 keeps 8 bits of each weight, which alone
# moved SmolLM2-135M by 0.14 nats a token on answers that it finds unlikely.
TOLERANCE_NATS: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 0.25}
"""How far a merged model's log-likelihoods may lie from what was trained, a token."""


@dataclass(frozen=True)
class Parity:
    """How near a written model is to what was trained, on held-out rows.

    Attributes:
        rows: Rows whose answers were compared.
        tokens: Tokens of these answers.
        largest_nats: The largest mean distance of a row's log-likelihoods, in nats a token.
        tolerance_nats: How far it may be.
    """

    rows: int
    tokens: int
    largest_nats: float
    tolerance_nats: float


def write_merged(
    prepared: PreparedModel,
    trained: Path,
    *,
    folder: Path,
    precision: Precision,
    rows: Sequence[RenderedExample],
) -> Parity:
    """Merge what was trained into its base in float32 and write configuration and weights.

    The base is loaded as it is, never quantised, and the sum W + sBA is taken in float32, where it
    has to give the rows' answers the log-likelihoods that base and adapter give them; only then is
    it rounded. What stands on disk is read again and held to them too. A fully trained model is
    written as it is, under the same gate.

    Args:
        prepared: The base model.
        trained: What training made, with its provenance.
        folder: Gets the files; to be thrown away by the caller where this raises.
        precision: Number format of the written weights.
        rows: Held-out rows, one at least.

    Raises:
        WorkFailedError: The written model is not the trained one; with how far they are apart.
        InvalidInputError: It was trained from another base.
    """
    if not rows:
        raise ValueError("the parity gate needs rows")
    model = load_trained(prepared, trained, precision="float32")
    expected = answer_log_likelihoods(model, rows)
    full = trained_kind(trained) == "full"
    if not full:
        model = model.merge_and_unload()
        # Whatever it is rounded to afterwards: the merge itself is exact.
        check_parity(
            expected,
            answer_log_likelihoods(model, rows),
            tolerance_nats=TOLERANCE_NATS["float32"],
        )
    write_weights(weights_of(model), folder=folder, precision=precision)
    source = trained if full else prepared.folder
    write_configuration(source / CONFIGURATION_NAME, folder=folder, precision=precision)
    del model  # the written one is loaded now: two would double the memory
    found = answer_log_likelihoods(load_weights(folder, precision="float32").eval(), rows)
    return check_parity(expected, found, tolerance_nats=TOLERANCE_NATS[precision])


def check_parity(
    expected: Sequence[Sequence[float]],
    found: Sequence[Sequence[float]],
    *,
    tolerance_nats: float,
) -> Parity:
    """Compare the log-likelihoods of rows' answers, token by token.

    Args:
        expected: Of each row, its tokens' log-likelihoods in what was trained.
        found: The same in the written model.
        tolerance_nats: How far a row's may lie apart, as the mean of its tokens' distances.

    Raises:
        WorkFailedError: They lie further apart, or are no numbers.
    """
    distances = [
        sum(abs(a - b) for a, b in zip(before, after, strict=True)) / len(before)
        for before, after in zip(expected, found, strict=True)
    ]
    # A distance that is not a number is within no tolerance.
    broken = [row for row, distance in enumerate(distances) if not distance <= tolerance_nats]
    if broken:
        worst = broken[0] if any(d != d for d in distances) else distances.index(max(distances))
        raise WorkFailedError(
            "the merged model is not the one that was trained: it gives held-out answers other "
            "log-likelihoods",
            where="parity gate",
            got=f"{distances[worst]:.3g} nats a token in row {worst + 1} of {len(distances)}, "
            f"{tolerance_nats:g} at most; {len(broken)} rows beyond it",
            remedy="export with --precision float32; if that fails too, report it",
        )
    return Parity(len(expected), sum(map(len, expected)), max(distances), tolerance_nats)


def answer_log_likelihoods(
    model: "PeftModel | PreTrainedModel", rows: Sequence[RenderedExample]
) -> list[list[float]]:
    """Return the log-likelihood of each token of each row's answer, in nats.

    Args:
        model: The model, in evaluation mode.
        rows: The rows.
    """
    import torch

    found = []
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([[*row.prompt_ids, *row.completion_ids]], device=model.device)
            answer = ids[0, len(row.prompt_ids) :]
            logits = model(input_ids=ids, use_cache=False, logits_to_keep=len(answer) + 1).logits[
                0, :-1
            ]
            likelihoods = torch.log_softmax(logits.float(), dim=-1)
            found.append(likelihoods.gather(1, answer[:, None])[:, 0].tolist())
    return found
