"""Small training runs for tests."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.models.factory import QUIET

from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message
from civicbench.training.examples import Example, render_examples
from civicbench.training.inputs import TrainingInputs
from civicbench.training.methods import load_method
from civicbench.training.running import train
from civicbench.training.settings import TrainingSettings
from civicbench.training.tracking import Tracker

SNAPSHOT = "5" * 64
ANSWERS = ("red", "dark green", "blue", "white with some black", "yellow")


def make_settings(**changes: Any) -> TrainingSettings:
    """Return LoRA settings for a run of a second, with some of them changed."""
    small = {
        "precision": "float32",
        "rank": 4,
        "alpha": 8,
        "epochs": 2,
        "batch_size_rows": 2,
        "checkpoint_every_steps": 2,
        "checkpoints_kept": 5,
    }
    method = load_method("lora").settings.model_dump(mode="json")
    return TrainingSettings.model_validate({**method, **small, **changes})


def conversation(question: str, answer: str) -> list[Message]:
    return [Message(role="user", content=question), Message(role="assistant", content=answer)]


def make_examples(renderer: ChatRenderer, *, rows: int = 7) -> list[Example]:
    """Return rows whose prompts and answers differ in length."""
    conversations = [
        (f"row-{n}", conversation("Colour? " * (1 + n % 3) + str(n), ANSWERS[n % len(ANSWERS)]))
        for n in range(rows)
    ]
    return render_examples(
        conversations, renderer=renderer, max_length_tokens=512, context_length_tokens=2048
    )


def make_inputs(
    prepared: PreparedModel,
    renderer: ChatRenderer,
    *,
    rows: int = 7,
    held_out: Sequence[Example] = (),
) -> TrainingInputs:
    return TrainingInputs(
        prepared=prepared,
        renderer=renderer,
        train=make_examples(renderer, rows=rows),
        held_out=held_out,
        snapshot_digest=SNAPSHOT,
    )


def run(
    settings: TrainingSettings,
    inputs: TrainingInputs,
    folder: Path,
    *,
    trackers: Callable[[], Sequence[Tracker]] = tuple,
) -> Path:
    """Train into a folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    train(settings, inputs, folder=folder, reporter=QUIET, trackers=trackers)
    return folder
