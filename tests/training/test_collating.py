"""A preview shows rows as TRL's collator would batch them: the yardstick of the loss."""

from tests.training.factory import make_examples

from civicbench.models.rendering import ChatRenderer
from civicbench.training.collating import collate
from civicbench.training.examples import IGNORED_LABEL


def test_padding_is_neither_read_nor_trained_on(renderer: ChatRenderer) -> None:
    examples = make_examples(renderer, rows=3)
    batch = collate(examples, renderer=renderer)
    for row, example in enumerate(examples):
        assert batch["input_ids"][row, : example.length].tolist() == example.input_ids
        assert batch["labels"][row, : example.length].tolist() == example.labels
        assert not batch["attention_mask"][row, example.length :].any()
        assert (batch["labels"][row, example.length :] == IGNORED_LABEL).all()
