"""A stand-in for the package vllm, copied as its `__init__.py` where a test needs one.

Its classes take the arguments and give the outputs of vLLM's own (`LLM`, `SamplingParams`,
`RequestOutput`, `CompletionOutput`, `Logprob`, `LoRARequest`), and compute with transformers and
PEFT on the CPU. What vLLM would refuse, it refuses.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
MADE: list["LLM"] = []


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    stop_token_ids: list[int] = field(default_factory=list)
    ignore_eos: bool = False
    max_tokens: int = 16
    logprobs: int | None = None
    prompt_logprobs: int | None = None
    detokenize: bool = True
    skip_special_tokens: bool = True
    include_stop_str_in_output: bool = False

    def __post_init__(self) -> None:
        if self.stop and not self.detokenize:
            raise ValueError("stop strings are only supported when detokenize is True.")
        if any(not text for text in self.stop):
            raise ValueError("stop cannot contain an empty string.")


@dataclass(frozen=True)
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str

    def __post_init__(self) -> None:
        if self.lora_int_id < 1:
            raise ValueError(f"id must be > 0, got {self.lora_int_id}")


@dataclass
class Logprob:
    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class CompletionOutput:
    index: int
    text: str
    token_ids: Sequence[int]
    cumulative_logprob: float | None
    logprobs: list[dict[int, Logprob]] | None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    request_id: str
    prompt: str | None
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput]
    finished: bool = True


@dataclass
class ModelConfig:
    max_model_len: int


@dataclass
class Engine:
    model_config: ModelConfig


class LLM:
    """Computes one request after another."""

    spoilt_nats = 0.0
    """Added to the log-likelihoods of prompts, to see whether anyone notices."""

    def __init__(
        self,
        model: str,
        *,
        dtype: str,
        trust_remote_code: bool,
        max_model_len: int,
        enable_lora: bool,
        max_lora_rank: int,
        **others: Any,
    ) -> None:
        if max_lora_rank not in RANKS:
            raise ValueError(f"max_lora_rank ({max_lora_rank}) must be one of {RANKS}.")
        if trust_remote_code:
            raise ValueError("no remote code here")
        self.arguments = {"dtype": dtype, "max_lora_rank": max_lora_rank, **others}
        self.llm_engine = Engine(ModelConfig(max_model_len))
        self.seen: list[tuple[SamplingParams, LoRARequest | None]] = []
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._model = AutoModelForCausalLM.from_pretrained(
            model, dtype=getattr(torch, dtype), local_files_only=True
        ).eval()
        self._adapted: PeftModel | None = None
        self._enable_lora = enable_lora
        self._max_lora_rank = max_lora_rank
        MADE.append(self)

    def generate(
        self,
        prompts: Sequence[TokensPrompt],
        sampling_params: Sequence[SamplingParams],
        *,
        use_tqdm: bool,
        lora_request: LoRARequest | None,
    ) -> list[RequestOutput]:
        if use_tqdm:
            raise ValueError("a bar of its own beside ours")
        outputs = []
        with torch.inference_mode():
            for number, (prompt, params) in enumerate(zip(prompts, sampling_params, strict=True)):
                self.seen.append((params, lora_request))
                ids = prompt["prompt_token_ids"]
                outputs.append(self._answer(str(number), ids, params, lora_request))
        return outputs

    def _answer(
        self, name: str, ids: list[int], params: SamplingParams, lora: LoRARequest | None
    ) -> RequestOutput:
        longest = self.llm_engine.model_config.max_model_len
        if len(ids) >= longest:
            raise ValueError(f"The prompt (length {len(ids)}) is longer than {longest - 1}")
        read = None
        if params.prompt_logprobs is not None:
            rows = self._log_probabilities(ids, lora)
            read = [None, *(_pick(row, t) for row, t in zip(rows, ids[1:], strict=False))]
            for entry in read[1:]:
                for token in entry or {}:
                    entry[token].logprob += self.spoilt_nats
        written: list[int] = []
        chances: list[dict[int, Logprob]] = []
        finish, reason = "length", None
        text = ""
        generator = torch.Generator().manual_seed(params.seed or 0)
        while len(written) < params.max_tokens and len(ids) + len(written) < longest:
            row = self._log_probabilities(ids + written, lora)[-1]
            token = int(row.argmax())
            if params.temperature:
                token = _draw(row, params, generator)
            written.append(token)
            chances.append(_pick(row, token))
            if not params.ignore_eos and token == self._tokenizer.eos_token_id:
                finish = "stop"
                break
            if token in params.stop_token_ids:
                finish, reason = "stop", token
                break
            text = self._tokenizer.decode(written, skip_special_tokens=params.skip_special_tokens)
            found = [stop for stop in params.stop if stop in text]
            if found:
                finish, reason = "stop", found[0]
                text = text[: text.index(found[0])]
                break
        return RequestOutput(
            request_id=name,
            prompt=None,
            prompt_token_ids=ids,
            prompt_logprobs=read,
            outputs=[
                CompletionOutput(
                    index=0,
                    text=text if params.detokenize else "",
                    token_ids=tuple(written),
                    cumulative_logprob=sum(
                        chance[token].logprob
                        for chance, token in zip(chances, written, strict=True)
                    ),
                    logprobs=chances if params.logprobs is not None else None,
                    finish_reason=finish,
                    stop_reason=reason,
                )
            ],
        )

    def _log_probabilities(self, ids: list[int], lora: LoRARequest | None) -> torch.Tensor:
        model = self._model if lora is None else self._switched(lora)
        tokens = torch.tensor([ids])
        if lora is None and self._adapted is not None:
            with self._adapted.disable_adapter():
                logits = self._adapted(input_ids=tokens, use_cache=False).logits
        else:
            logits = model(input_ids=tokens, use_cache=False).logits
        return logits[0].float().log_softmax(-1)

    def _switched(self, lora: LoRARequest) -> PeftModel:
        if not self._enable_lora:
            raise ValueError(f"Got lora_request {lora} but LoRA is not enabled!")
        folder = Path(lora.lora_path)
        rank = json.loads((folder / "adapter_config.json").read_text())["r"]
        if rank > self._max_lora_rank:
            raise ValueError(f"LoRA rank {rank} is greater than {self._max_lora_rank}.")
        if self._adapted is None:
            self._adapted = PeftModel.from_pretrained(
                self._model, folder, adapter_name=lora.lora_name
            )
        if lora.lora_name not in self._adapted.peft_config:
            self._adapted.load_adapter(folder, adapter_name=lora.lora_name)
        self._adapted.set_adapter(lora.lora_name)
        return self._adapted.eval()


def _pick(row: torch.Tensor, token: int) -> dict[int, Logprob]:
    """The token itself and the likeliest, as `logprobs=1` gives them."""
    best = int(row.argmax())
    found = {token: Logprob(float(row[token]))}
    found.setdefault(best, Logprob(float(row[best]), rank=1))
    return found


def _draw(row: torch.Tensor, params: SamplingParams, generator: torch.Generator) -> int:
    chances = (row / params.temperature).softmax(-1)
    ordered, order = chances.sort(descending=True)
    ordered[ordered.cumsum(-1) - ordered >= params.top_p] = 0
    return int(order[torch.multinomial(ordered, 1, generator=generator)])


def get_tokenizer(name: str, **_: Any) -> Any:
    return AutoTokenizer.from_pretrained(name)


def resolve_chat_template(*, tokenizer: Any, **_: Any) -> str | None:
    template: str | None = tokenizer.chat_template
    return template
