"""One training step with our loss and with TRL's own, in turns, in one run.

    python benchmarks/training.py [--quick]

Both are the same function on the same batch; ours applies the output head only where a token is
trained on. Prints a table of medians and, as its last line, one JSON object. Needs the base
model smollm2-135m-instruct (`civicbench models fetch smollm2-135m-instruct`).
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from civicbench.core.environment import keep_hub_offline, processor_name
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace


def main() -> None:
    """Measure and print."""
    keep_hub_offline()
    quick = "--quick" in sys.argv[1:]
    from trl import SFTTrainer

    from civicbench.pipeline.inputs import prepare_inputs
    from civicbench.recipes.loading import load_recipe
    from civicbench.training.inputs import TrainingInputs
    from civicbench.training.running import build_adapted_model, build_trainer

    inputs = prepare_inputs(
        load_recipe("enquiry-triage", overrides=["trackers=[]"]),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
    )
    training = TrainingInputs(
        prepared=inputs.prepared,
        renderer=inputs.renderer,
        train=inputs.train,
        held_out=(),
        snapshot_digest=inputs.data.digest,
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = inputs.recipe.training
        trainer = build_trainer(
            settings,
            training,
            build_adapted_model(settings, inputs.prepared, spread=False),
            checkpoints=Path(folder),
            callbacks=[],
        )
        batch = next(iter(trainer.get_train_dataloader()))
        tokens = int(batch["attention_mask"].sum())
        items = (batch["labels"] != -100).sum()

        def step(loss_of: Any) -> tuple[float, float]:
            trainer.model.zero_grad()
            started = time.perf_counter()
            loss = loss_of(trainer.model, dict(batch), num_items_in_batch=items)
            loss.backward()
            return time.perf_counter() - started, float(loss)

        def trl_loss(*arguments: Any, **named: Any) -> Any:
            return SFTTrainer.compute_loss(trainer, *arguments, **named)

        trainer.model.train()
        times: dict[str, list[float]] = {"civicbench": [], "TRL": []}
        losses = {}
        for _ in range(2 if quick else 5):
            for name, loss_of in (("civicbench", trainer.compute_loss), ("TRL", trl_loss)):
                elapsed, losses[name] = step(loss_of)
                times[name].append(elapsed)
    ratio = statistics.median(
        theirs / mine for mine, theirs in zip(times["civicbench"], times["TRL"], strict=True)
    )
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, value in medians.items():
        print(f"{name:<12} {value:6.2f} s  {tokens / value:7.1f} tokens/s  loss {losses[name]:.5f}")
    print(f"ratio (median of pairs): {ratio:.2f}")
    print(
        json.dumps(
            {
                "benchmark": "training",
                "machine": {"processor": processor_name()},
                "ratios": {"one step, TRL's loss / ours": round(ratio, 3)},
                "figures": {name: round(tokens / value, 1) for name, value in medians.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
