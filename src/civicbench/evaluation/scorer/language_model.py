"""A model behind lm-eval's interface, whatever computes its answers.

Everything that is asked in one call is given to the engine (`engines`), which says what is computed
together, and each batch's results are kept as soon as they are there (`responses`), so that a run
that was killed goes on with the next batch, in the same batches.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM

from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.core.progress import Reporter
from civicbench.core.ranks import Ranks
from civicbench.evaluation.scorer.asked import Asked, Finish, Sampling
from civicbench.evaluation.scorer.engines import Engine
from civicbench.evaluation.scorer.responses import ResponseStore
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.work import Answer, Batching, Value
from civicbench.models.rendering import ChatRenderer


@dataclass
class Effort:
    """What scoring took.

    Attributes:
        found: Requests whose answer was found and not asked again.
        prompt_tokens: Tokens of all sequences, as a scorer that shares nothing computes them.
        computed_tokens: Tokens that were computed, by all processes.
    """

    found: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0


class EngineLM(TemplateLM):  # type: ignore[misc]
    """A loaded model as lm-eval sees it.

    Args:
        engine: What computes its answers.
        renderer: The model's renderer: its tokenizer is the one used.
        context_length_tokens: The longest sequence; a longer one is refused, never cut.
        reporter: Shows progress.
        responses: Where answers are kept and looked up; None asks everything anew.
        ranks: The processes that share the work.
        batching: How requests are put together.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        renderer: ChatRenderer,
        context_length_tokens: int,
        reporter: Reporter,
        responses: ResponseStore | None = None,
        ranks: Ranks | None = None,
        batching: Batching | None = None,
    ) -> None:
        super().__init__()
        self._engine = engine
        self._renderer = renderer
        self._limit_tokens = context_length_tokens
        self._reporter = reporter
        self._responses = responses
        self._ranks = ranks or Ranks()
        self._batching = batching or Batching()
        self.tokenizer = renderer.tokenizer
        self.effort = Effort()
        self.finishes: dict[tuple[str, int | None], Finish] = {}
        """Why each generated answer ended, by prompt and seed."""
        self.prompt_ids: dict[str, tuple[int, ...]] = {}
        """The token ids that the model was given for each prompt."""

    @property
    def renderer(self) -> ChatRenderer:
        """The model's renderer."""
        return self._renderer

    @property
    def eot_token_id(self) -> int:
        """The token that ends a turn."""
        return self._renderer.end_of_turn_id

    @property
    def prefix_token_id(self) -> int:
        """What an empty prompt is replaced by: the beginning of a text, as in HFLM."""
        first = self._renderer.tokenizer.bos_token_id
        return self.eot_token_id if first is None else int(first)

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
        self, requests: list[Instance], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        """Return (log-likelihood in nats, is greedy) of each (prompt, answer) request."""
        results: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return results

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Refused: no suite here measures perplexity of running text."""
        raise InvalidInputError("perplexity of running text is not measured by these suites")

    def _loglikelihood_tokens(
        self, requests: list[tuple[tuple[str, str], list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        asked: list[Request] = []
        for (context, text), prompt, continuation in requests:
            if not continuation:
                raise InvalidInputError("a choice has no tokens", got=repr(text))
            if not prompt:
                raise InvalidInputError("a prompt has no tokens", got=repr(text))
            self._refuse_too_long(len(prompt) + len(continuation))
            asked.append(Request(tuple(prompt), tuple(continuation)))
            self.prompt_ids[context] = asked[-1].prompt
        distinct = list(dict.fromkeys(asked))
        keys = self._keys("choice", [[r.prompt, r.continuation] for r in distinct])
        known = self._find(keys)
        missing = [n for n in range(len(distinct)) if keys[n] not in known]
        work = self._engine.choices(distinct, batching=self._batching, missing=missing)
        self._tell("choices", [[r.prompt, r.continuation] for r in distinct], missing)
        with self._tracked("choices", len(requests)) as advance:
            advance(len(requests) - len(missing))

            def take(_: object, scored: Sequence[Value]) -> None:
                whole = work.complete(scored)
                self._keep({keys[n]: [_finite(value), greedy] for n, value, greedy in whole}, known)
                advance(len(whole))

            self._ranks.rounds(work.pieces, work.compute, take)
        self.effort.found += len(distinct) - len(missing)
        self.effort.prompt_tokens += sum(len(request.fed) for request in asked)
        self.effort.computed_tokens += work.computed_tokens
        answers = {r: known[k] for r, k in zip(distinct, keys, strict=True)}
        return [(float(answers[request][0]), bool(answers[request][1])) for request in asked]

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return the written answer to each prompt, in lm-eval's form of request."""
        asked = [self._asked(*request.args) for request in requests]
        distinct = list(dict.fromkeys(asked))
        keys = self._keys("answer", [asdict(question) for question in distinct])
        known = self._find(keys)
        missing = [n for n in range(len(distinct)) if keys[n] not in known]
        work = self._engine.answers(distinct, batching=self._batching, missing=missing)
        self._tell("answers", [asdict(question) for question in distinct], missing)
        with self._tracked("answers", len(requests)) as advance:
            advance(len(requests) - len(missing))

            def take(_: object, written: Sequence[Answer]) -> None:
                self._keep({keys[n]: [ids, text, end] for n, ids, text, end in written}, known)
                advance(len(written))

            self._ranks.rounds(work.pieces, work.compute, take)
        answers = dict(zip(distinct, (known[key] for key in keys), strict=True))
        self.effort.found += len(distinct) - len(missing)
        for request, question in zip(requests, asked, strict=True):
            ids, _, finish = answers[question]
            seed = question.sampling.seed if question.sampling else None
            self.finishes[request.args[0], seed] = finish
            self.prompt_ids[request.args[0]] = question.prompt
            self.effort.prompt_tokens += len(question.prompt) + len(ids)
        self.effort.computed_tokens += work.computed_prompt_tokens + sum(
            len(known[keys[n]][0]) for n in missing
        )
        return [answers[question][1] for question in asked]

    def _asked(self, prompt: str, settings: dict[str, Any]) -> Asked:
        ids = tuple(self._renderer.encode(prompt))
        limit = int(settings["max_gen_toks"])
        if not ids:
            raise InvalidInputError("a prompt has no tokens", got=repr(prompt))
        self._refuse_too_long(len(ids) + limit)
        sampling = None
        if settings.get("do_sample"):
            sampling = Sampling(settings["temperature"], settings["top_p"], settings["seed"])
        # The end of turn is a token of its own: a text that only looks like it stops nothing.
        stops = tuple(text for text in settings["until"] if text != self._renderer.end_of_turn)
        return Asked(ids, limit, stops, sampling)

    def _refuse_too_long(self, tokens: int) -> None:
        if tokens > self._limit_tokens:
            raise InvalidInputError(
                "an item is longer than the model's context; it would have to be cut",
                got=f"{tokens} tokens, the model reads {self._limit_tokens}",
                remedy="shorten the item or use a model with a longer context",
            )

    def _tell(self, what: str, requests: Sequence[object], missing: Sequence[int]) -> None:
        batching = asdict(self._batching)
        self._ranks.tell(
            {"do": what, "requests": requests, "missing": missing, "batching": batching}
        )

    def _keys(self, kind: Literal["choice", "answer"], requests: Sequence[object]) -> list[str]:
        if self._responses is None:
            return [str(number) for number in range(len(requests))]
        return [self._responses.key(kind, request) for request in requests]

    def _find(self, keys: Sequence[str]) -> dict[str, Any]:
        return {} if self._responses is None else self._responses.find(keys)

    def _keep(self, found: dict[str, Any], known: dict[str, Any]) -> None:
        known.update(found)
        if self._responses is not None:
            self._responses.add(found)

    def _tracked(self, label: str, total: int) -> Any:
        return self._reporter.track(label, total=total, unit=label)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise WorkFailedError(
            "the log-likelihood of a choice is not a finite number",
            got=str(value),
            remedy="the model's weights may be spoilt, or its precision too low",
        )
    return value
