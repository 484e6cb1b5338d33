"""The scorer: a language model behind lm-eval's interface that reads each prompt once.

All choices of an item form one tree of tokens after its prompt (`evaluation/trees.py`), so the
prompt, and whatever beginnings the choices share, is computed once instead of once a choice.
The output head is applied only where a token is scored, and log-softmax is taken in float32.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lm_eval.api.model import TemplateLM

from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.core.progress import Advance, Reporter
from civicbench.evaluation.trees import TokenTree, mask_and_positions
from civicbench.models.rendering import ChatRenderer

if TYPE_CHECKING:
    import torch
    from lm_eval.api.instance import Instance
    from peft import PeftModel
    from transformers import PreTrainedModel

_BATCH_TOKENS = 4096
_GENERATION_BATCH_TOKENS = 8192
_CHOICE_TOKENS = 2048


class SharedPrefixLM(TemplateLM):  # type: ignore[misc]
    """A loaded Llama as lm-eval sees it.

    Args:
        model: The base model, or a PEFT model with its adapter on.
        renderer: The model's renderer: its tokenizer is the one used.
        context_length_tokens: The longest sequence; a longer one is refused, never cut.
        reporter: Shows progress.
    """

    def __init__(
        self,
        model: "PreTrainedModel | PeftModel",
        *,
        renderer: ChatRenderer,
        context_length_tokens: int,
        reporter: Reporter,
    ) -> None:
        super().__init__()
        self._model = model.eval()
        self._renderer = renderer
        self._limit_tokens = context_length_tokens
        self._reporter = reporter
        self.tokenizer = renderer.tokenizer
        self.cut_prompts: set[str] = set()
        """Prompts whose generated answer was cut by the token limit."""

    @property
    def eot_token_id(self) -> int:
        """The token that ends a turn."""
        return self._renderer.end_of_turn_id

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """Return a text's ids; prompts come rendered, so nothing is added."""
        if add_special_tokens:
            raise ValueError("prompts are rendered by the chat template; nothing is added here")
        return self._renderer.encode(string)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        # Prompt and answer are tokenised apart, as in training: lm-eval would move the line
        # break that ends the prompt into the answer.
        answer = self._renderer.render_plain(continuation)
        return self._renderer.encode(context), self._renderer.encode(answer)

    def loglikelihood(
        self, requests: list["Instance"], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        """Return (log-likelihood in nats, is greedy) of each (prompt, answer) request."""
        results: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return results

    def loglikelihood_rolling(
        self, requests: list["Instance"], disable_tqdm: bool = False
    ) -> list[float]:
        """Refused: no suite here measures perplexity of running text."""
        raise InvalidInputError("perplexity of running text is not measured by these suites")

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        trees = self._trees(requests)
        results: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        with self._reporter.track("choices", total=len(requests), unit="choices") as advance:
            for batch in _batches(trees):
                for tree, scored in zip(batch, self._score(batch), strict=True):
                    for place, result in zip(tree.places, scored, strict=True):
                        results[place] = result
                    advance(len(tree.places))
        return results

    def _trees(
        self, requests: Sequence[tuple[tuple[str, str], list[int], list[int]]]
    ) -> list[TokenTree]:
        by_prompt: dict[tuple[int, ...], list[TokenTree]] = defaultdict(list)
        for place, ((_, text), prompt, continuation) in enumerate(requests):
            if not continuation:
                raise InvalidInputError("a choice has no tokens", got=repr(text))
            if not prompt:
                raise InvalidInputError("a prompt has no tokens", got=repr(text))
            self._refuse_too_long(len(prompt) + len(continuation))
            grown = by_prompt[tuple(prompt)]
            room = _CHOICE_TOKENS + len(prompt)
            if not grown or grown[-1].length + len(continuation) > room:
                grown.append(TokenTree(prompt))
            grown[-1].add(continuation, place=place)
        return [tree for trees in by_prompt.values() for tree in trees]

    def _refuse_too_long(self, tokens: int) -> None:
        if tokens > self._limit_tokens:
            raise InvalidInputError(
                "an item is longer than the model's context; it would have to be cut",
                got=f"{tokens} tokens, the model reads {self._limit_tokens}",
                remedy="shorten the item or use a model with a longer context",
            )

    def _score(self, batch: Sequence[TokenTree]) -> list[list[tuple[float, bool]]]:
        """Return (log-likelihood in nats, is greedy) of each continuation of each tree."""
        import torch

        device = self._model.device
        length = max(tree.length for tree in batch)
        ids = torch.full((len(batch), length), self._renderer.tokenizer.pad_token_id)
        for row, tree in enumerate(batch):
            ids[row, : tree.length] = torch.tensor(tree.token_ids)
        seen, positions = mask_and_positions(batch, length=length)
        with torch.inference_mode():
            hidden = self._decoder()(
                input_ids=ids.to(device),
                attention_mask=seen[:, None].to(device),
                position_ids=positions.to(device),
                use_cache=False,
            ).last_hidden_state
            return [self._continuations(hidden[row], tree) for row, tree in enumerate(batch)]

    def _continuations(self, hidden: "torch.Tensor", tree: TokenTree) -> list[tuple[float, bool]]:
        """Score one tree's continuations from its hidden states of shape [length, width]."""
        import torch

        before = torch.tensor(
            [place for path in tree.paths for place in path], device=hidden.device
        )
        targets = torch.tensor(
            [token for ids in tree.continuations for token in ids], device=hidden.device
        )
        rows, where = torch.unique(before, return_inverse=True)
        logits = self._model.get_output_embeddings()(hidden[rows]).float()
        scored = logits.log_softmax(-1)[where, targets].double()
        greedy = logits.argmax(-1)[where] == targets
        results = []
        start = 0
        for continuation in tree.continuations:
            end = start + len(continuation)
            total = float(scored[start:end].sum())
            if not math.isfinite(total):
                raise WorkFailedError(
                    "the log-likelihood of a choice is not a finite number",
                    got=str(total),
                    remedy="the model's weights may be spoilt, or its precision too low",
                )
            results.append((total, bool(greedy[start:end].all())))
            start = end
        return results

    def _decoder(self) -> Any:
        """Return the stack below the head; an adapter's layers stand inside it."""
        return self._model.get_decoder()

    def generate_until(self, requests: list["Instance"], disable_tqdm: bool = False) -> list[str]:
        """Return the greedy continuation of each prompt, in lm-eval's form of request."""
        waiting: dict[int, list[tuple[int, str, list[int], list[str]]]] = defaultdict(list)
        for place, request in enumerate(requests):
            prompt, settings = request.args
            ids = self._renderer.encode(prompt)
            self._refuse_too_long(len(ids) + settings["max_gen_toks"])
            waiting[settings["max_gen_toks"]].append((place, prompt, ids, settings["until"]))
        texts = [""] * len(requests)
        with self._reporter.track("answers", total=len(requests), unit="answers") as advance:
            for limit, group in waiting.items():
                group.sort(key=lambda entry: -len(entry[2]))
                self._generate_group(group, limit, texts, advance)
        return texts

    def _generate_group(
        self,
        group: Sequence[tuple[int, str, list[int], list[str]]],
        limit: int,
        texts: list[str],
        advance: Advance,
    ) -> None:
        start = 0
        while start < len(group):
            rows = max(1, _GENERATION_BATCH_TOKENS // (len(group[start][2]) + limit))
            batch = group[start : start + rows]
            for (place, prompt, _, until), ids in zip(
                batch, self._generate([entry[2] for entry in batch], limit), strict=True
            ):
                if self.eot_token_id not in ids:
                    self.cut_prompts.add(prompt)
                text = self._renderer.decode(ids)
                for stop in until:
                    text = text.split(stop)[0]
                texts[place] = text
            advance(len(batch))
            start += rows

    def _generate(self, prompts: Sequence[list[int]], limit: int) -> list[list[int]]:
        """Return the new token ids of each prompt, up to and with the end of turn."""
        import torch

        length = max(len(ids) for ids in prompts)
        pad = self._renderer.tokenizer.pad_token_id
        ids = torch.full((len(prompts), length), pad)
        mask = torch.zeros((len(prompts), length), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, length - len(prompt) :] = torch.tensor(prompt)
            mask[row, length - len(prompt) :] = 1
        device = self._model.device
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=limit,
                do_sample=False,
                eos_token_id=self.eot_token_id,
                pad_token_id=pad,
            )
        answers = []
        for new in output[:, length:].tolist():
            end = new.index(self.eot_token_id) + 1 if self.eot_token_id in new else len(new)
            answers.append(new[:end])
        return answers


def _batches(trees: Sequence[TokenTree]) -> list[list[TokenTree]]:
    """Group trees of like length so that a batch with its padding keeps to the token budget."""
    batches: list[list[TokenTree]] = []
    for tree in sorted(trees, key=lambda tree: -tree.length):
        if batches and (len(batches[-1]) + 1) * batches[-1][0].length <= _BATCH_TOKENS:
            batches[-1].append(tree)
        else:
            batches.append([tree])
    return batches
