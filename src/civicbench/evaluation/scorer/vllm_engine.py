"""vLLM as the engine, through lm-eval's own wrapper of it, on token ids that are ours.

Log-likelihoods come from the wrapper's `_loglikelihood_tokens`, answers from its `_model_generate`;
its tokenisation, its templates and its cutting of long prompts are never reached. The fields of
requests and outputs are those of `vllm.SamplingParams` and `vllm.RequestOutput`.
"""

import random
from collections.abc import Sequence
from typing import Any

from civicbench.core.digests import digest_json
from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.evaluation.scorer.asked import Asked, Finish
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.work import Answer, Batching, Value
from civicbench.models.rendering import ChatRenderer

# vLLM is given much at once, to fill the GPU; a killed run loses no more than one such piece. Where
# the order of batches is varied on purpose, pieces are small enough that there are several.
PIECE_REQUESTS = 1024
_PIECE_BATCHES = 64
_VARIED_PIECE_BATCHES = 4


class VllmEngine:
    """One model in vLLM: the base, or the base with an adapter.

    Args:
        backend: lm-eval's `VLLM`, loaded.
        adapter: vLLM's request for an adapter; None for the base.
        renderer: Turns tokens into text.
        context_length_tokens: The longest sequence.
    """

    def __init__(
        self, backend: Any, adapter: Any, *, renderer: ChatRenderer, context_length_tokens: int
    ) -> None:
        self._backend = backend
        self._adapter = adapter
        self._renderer = renderer
        self._context_tokens = context_length_tokens

    def choices(
        self, requests: Sequence[Request], *, batching: Batching, missing: Sequence[int]
    ) -> "VllmChoices":
        """Return the work of scoring continuations.

        Raises:
            InvalidInputError: A request that leaves no room for the token that vLLM always writes.
        """
        for request in requests:
            length = len(request.prompt) + len(request.continuation)
            if length >= self._context_tokens:
                raise InvalidInputError(
                    "an item leaves no room for the token that vLLM writes after it",
                    got=f"{length} tokens, the model reads {self._context_tokens}",
                    remedy="shorten the item, or set evaluation_engine to civicbench",
                )
        return VllmChoices(self, requests, batching=batching, missing=missing)

    def answers(
        self, asked: Sequence[Asked], *, batching: Batching, missing: Sequence[int]
    ) -> "VllmAnswers":
        """Return the work of writing answers."""
        return VllmAnswers(self, asked, batching=batching, missing=missing)

    def log_likelihoods(self, requests: Sequence[Request]) -> list[tuple[float, bool]]:
        """Return (log-likelihood in nats, is greedy) of each continuation."""
        self._backend.lora_request = self._adapter
        found = self._backend._loglikelihood_tokens(
            [(None, list(r.prompt), list(r.continuation)) for r in requests], disable_tqdm=True
        )
        return [(float(value), bool(greedy)) for value, greedy in found]

    def first_tokens(self, prompts: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
        """Return the likeliest token after each prompt, with its log-likelihood in nats."""
        from vllm import SamplingParams

        settings = SamplingParams(
            temperature=0.0, max_tokens=1, logprobs=1, ignore_eos=True, detokenize=False
        )
        found = []
        for output in self._generate(prompts, [settings] * len(prompts)):
            token = int(output.outputs[0].token_ids[0])
            found.append((token, float(output.outputs[0].logprobs[0][token].logprob)))
        return found

    def write(self, asked: Sequence[Asked]) -> list[tuple[list[int], str, Finish]]:
        """Return (token ids, text, why it ended) of the answer to each question.

        Raises:
            WorkFailedError: An answer that ended for no reason that is known here.
        """
        outputs = self._generate(
            [question.prompt for question in asked],
            [_sampling_settings(q, end_of_turn=self._renderer.end_of_turn_id) for q in asked],
        )
        return [self._written(q, o.outputs[0]) for q, o in zip(asked, outputs, strict=True)]

    def _generate(self, prompts: Sequence[Sequence[int]], settings: Sequence[Any]) -> Any:
        self._backend.lora_request = self._adapter
        return self._backend._model_generate(
            requests=[list(prompt) for prompt in prompts],
            generate=True,
            sampling_params=list(settings),
        )

    def _written(self, asked: Asked, completion: Any) -> tuple[list[int], str, Finish]:
        token_ids = [int(token) for token in completion.token_ids]
        whole = self._renderer.decode(token_ids)
        text = whole
        for stop in asked.stops:
            text = text.split(stop)[0]
        finish: Finish
        if token_ids and token_ids[-1] == self._renderer.end_of_turn_id:
            finish = "end of turn"
        elif text != whole:
            finish = "stop text"
        elif completion.finish_reason == "length":
            finish = "token limit"
        else:
            raise WorkFailedError(
                "vLLM ended an answer for a reason that is not known here",
                got=f"{completion.finish_reason}, {completion.stop_reason!r}",
                remedy="use another version of vLLM, or set evaluation_engine to civicbench",
            )
        return token_ids, text, finish


class VllmChoices:
    """Continuations that vLLM scores: each sequence is computed whole."""

    def __init__(
        self,
        engine: VllmEngine,
        requests: Sequence[Request],
        *,
        batching: Batching,
        missing: Sequence[int],
    ) -> None:
        self._engine = engine
        self._requests = requests
        self._lengths = [len(r.prompt) + len(r.continuation) for r in requests]
        self.pieces = _pieces(
            self._lengths,
            missing,
            batch_tokens=batching.choice_tokens,
            order_seed=batching.order_seed,
        )
        """Numbers of the requests that vLLM is given together."""

    @property
    def computed_tokens(self) -> int:
        """Tokens of all sequences: vLLM shares none where log-likelihoods are asked for."""
        return sum(self._lengths[number] for piece in self.pieces for number in piece)

    def compute(self, piece: Sequence[int]) -> list[Value]:
        """Return (request, log-likelihood in nats, is greedy) of a piece's requests."""
        found = self._engine.log_likelihoods([self._requests[number] for number in piece])
        return [(n, value, greedy) for n, (value, greedy) in zip(piece, found, strict=True)]

    def complete(self, scored: Sequence[Value]) -> list[Value]:
        """Return a piece's results: they are whole."""
        return list(scored)


class VllmAnswers:
    """Answers that vLLM writes."""

    def __init__(
        self,
        engine: VllmEngine,
        asked: Sequence[Asked],
        *,
        batching: Batching,
        missing: Sequence[int],
    ) -> None:
        self._engine = engine
        self._asked = asked
        self.pieces = _pieces(
            [len(question.prompt) + question.limit_tokens for question in asked],
            missing,
            batch_tokens=batching.answer_tokens,
            order_seed=batching.order_seed,
        )
        """Numbers of the questions that vLLM is given together."""

    @property
    def computed_prompt_tokens(self) -> int:
        """Tokens of all prompts."""
        return sum(len(self._asked[number].prompt) for piece in self.pieces for number in piece)

    def compute(self, piece: Sequence[int]) -> list[Answer]:
        """Return (question, token ids, text, why it ended) of a piece's questions."""
        written = self._engine.write([self._asked[number] for number in piece])
        return [(number, *answer) for number, answer in zip(piece, written, strict=True)]


def _pieces(
    lengths: Sequence[int], missing: Sequence[int], *, batch_tokens: int, order_seed: int | None
) -> list[list[int]]:
    """Return the missing requests' numbers, piece by piece, in the pieces that all would form."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    most_tokens = batch_tokens * _PIECE_BATCHES
    if order_seed is not None:
        random.Random(order_seed).shuffle(order)  # noqa: S311 (an order, not a secret)
        most_tokens = batch_tokens * _VARIED_PIECE_BATCHES
    pieces: list[list[int]] = []
    tokens = 0
    for number in order:
        tokens += lengths[number]
        if not pieces or tokens > most_tokens or len(pieces[-1]) == PIECE_REQUESTS:
            pieces.append([])
            tokens = lengths[number]
        pieces[-1].append(number)
    wanted = set(missing)
    kept = [[number for number in piece if number in wanted] for piece in pieces]
    return [piece for piece in kept if piece]


def _sampling_settings(asked: Asked, *, end_of_turn: int) -> Any:
    from vllm import SamplingParams

    drawn: dict[str, Any] = {"temperature": 0.0}
    if asked.sampling is not None:
        # Of seed and prompt, as in our own scorer: one seed for all would draw alike for all.
        digest = digest_json([asked.sampling.seed, list(asked.prompt)])
        drawn = {
            "temperature": asked.sampling.temperature,
            "top_p": asked.sampling.top_p,
            "seed": int(digest[:8], 16),
        }
    return SamplingParams(
        **drawn,
        max_tokens=asked.limit_tokens,
        stop=list(asked.stops),
        # The end of turn alone ends an answer, not whatever else the model's files name.
        stop_token_ids=[end_of_turn],
        ignore_eos=True,
        include_stop_str_in_output=False,
        skip_special_tokens=True,
    )
