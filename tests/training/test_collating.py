"""Training and preview batch rows in one way."""

from pathlib import Path

import torch
from tests.training.factory import make_examples, make_inputs, make_settings

from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer
from civicbench.training import running
from civicbench.training.collating import collate, features_of
from civicbench.training.examples import IGNORED_LABEL


def test_preview_batches_rows_as_the_trainer_does(
    tiny: PreparedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    examples = make_examples(renderer, rows=4)
    settings = make_settings(batch_size_rows=4)
    trainer = running.build_trainer(
        settings,
        make_inputs(tiny, renderer, rows=4),
        running.build_adapted_model(settings, tiny, spread=False),
        checkpoints=tmp_path,
        callbacks=[],
    )
    theirs = trainer.data_collator([features_of(example) for example in examples])
    ours = collate(examples, renderer=renderer)
    assert set(ours) == set(theirs) == {"input_ids", "attention_mask", "labels"}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_padding_is_neither_read_nor_trained_on(renderer: ChatRenderer) -> None:
    examples = make_examples(renderer, rows=3)
    batch = collate(examples, renderer=renderer)
    for row, example in enumerate(examples):
        assert batch["input_ids"][row, : example.length].tolist() == example.input_ids
        assert batch["labels"][row, : example.length].tolist() == example.labels
        assert not batch["attention_mask"][row, example.length :].any()
        assert (batch["labels"][row, example.length :] == IGNORED_LABEL).all()
