"""Checks of a base model's tokens: that those that steer exist, and are not each other."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.documents import read_text
from civicbench.models.prepare import PreparedModel
from civicbench.pipeline.finding import Finding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# How control tokens are spelt in the templates of the catalogue and of common open models.
_CONTROL = re.compile(r"<\|[\w.:-]+\|>|</?s>|<(?:start|end)_of_turn>")
_EMBEDDING = re.compile(r"(?:^|\.)(?:embed_tokens|wte|word_embeddings)\.weight$")


def check_end_of_turn(tokenizer: "PreTrainedTokenizerBase", end_of_turn: str) -> Finding:
    """Look whether the end of turn is one token of the vocabulary."""
    ids = tokenizer.encode(end_of_turn, add_special_tokens=False)
    if len(ids) == 1:
        return Finding(what="end of turn", found=f"{end_of_turn} is token {ids[0]}", state="good")
    return Finding(
        what="end of turn",
        found=f"{end_of_turn} is {len(ids)} tokens",
        state="bad",
        remedy="name a token of the vocabulary as end_of_turn in the catalogue entry",
    )


def check_padding(tokenizer: "PreTrainedTokenizerBase", end_of_turn: str) -> Finding:
    """Look whether there is a padding token that is not the end of turn."""
    pad = tokenizer.pad_token_id
    if pad is None:
        problem = "there is no padding token"
    elif tokenizer.encode(end_of_turn, add_special_tokens=False) == [pad]:
        problem = f"{tokenizer.pad_token} ends turns, too: masked as padding, its end is not learnt"
    else:
        return Finding(
            what="padding token", found=f"{tokenizer.pad_token} is token {pad}", state="good"
        )
    return Finding(
        what="padding token",
        found=problem,
        state="bad",
        remedy="name another token as pad_token in the catalogue entry",
    )


def check_special_tokens(tokenizer: "PreTrainedTokenizerBase", *named: str | None) -> Finding:
    """Look whether every special token stands in the vocabulary.

    Args:
        tokenizer: The tokenizer.
        named: Tokens that the catalogue entry names.
    """
    wanted = {token for token in (*tokenizer.all_special_tokens, *named) if token}
    known = tokenizer.get_vocab()
    absent = sorted(wanted - known.keys())
    return Finding(
        what="special tokens",
        found=f"not in the vocabulary: {', '.join(absent)}"
        if absent
        else f"{len(wanted)}, all in the vocabulary",
        state="bad" if absent else "good",
        remedy="mend the tokenizer's files or the catalogue entry" if absent else "",
    )


def check_control_tokens(tokenizer: "PreTrainedTokenizerBase", written: str) -> Finding:
    """Look whether each control token that the template spells is one token.

    Args:
        tokenizer: The tokenizer.
        written: A conversation as the template writes it.
    """
    spelt = sorted(set(_CONTROL.findall(written)))
    broken = [s for s in spelt if len(tokenizer.encode(s, add_special_tokens=False)) != 1]
    return Finding(
        what="control tokens",
        found=f"the template spells {', '.join(broken)}, which the tokenizer cuts into pieces"
        if broken
        else f"{', '.join(spelt) or 'none'}: one token each",
        state="bad" if broken else "good",
        remedy="use the tokenizer's own control tokens in the template" if broken else "",
    )


def check_embeddings(
    tokenizer: "PreTrainedTokenizerBase", prepared: PreparedModel, *, highest_id: int
) -> Finding:
    """Look whether the embedding has a row for each token.

    Args:
        tokenizer: The tokenizer.
        prepared: The base model.
        highest_id: Highest token of the rows.
    """
    rows = _embedding_rows(prepared.folder)
    special = [tokenizer.convert_tokens_to_ids(token) for token in tokenizer.all_special_tokens]
    needed = 1 + max(highest_id, *(token for token in special if token is not None))
    known = 1 + max(tokenizer.get_vocab().values())
    found = f"{rows:,} rows for {known:,} tokens"
    if rows < needed:
        return Finding(
            what="embedding", found=f"{found}; {needed:,} are needed", state="bad",
            remedy="use the tokenizer that belongs to these weights",
        )  # fmt: skip
    if rows < known:
        return Finding(
            what="embedding", found=f"{found}; the last ones are in no row", state="note",
            remedy="use the tokenizer that belongs to these weights",
        )  # fmt: skip
    return Finding(what="embedding", found=found, state="good")


def _embedding_rows(folder: Path) -> int:
    """Return the rows of the embedding's weights, or what the configuration says of them."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                if _EMBEDDING.search(name):
                    return int(tensors.get_slice(name).get_shape()[0])
    return int(json.loads(read_text(folder / "config.json"))["vocab_size"])
