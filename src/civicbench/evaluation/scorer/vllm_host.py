"""A base model and its adapters in vLLM, on one load, each proven before it answers."""

import gc
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError, WorkFailedError
from civicbench.evaluation.scorer.tokentree import Request
from civicbench.evaluation.scorer.vllm_engine import PIECE_REQUESTS, VllmEngine
from civicbench.models.loading import Precision, require_adapter_of
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer

# What vLLM makes room for (its MaxLoRARanks, but those that only newer versions know).
_RANKS = (8, 16, 32, 64, 128, 256, 512)
# Two roundings of the same logit: in bfloat16 a logit between 16 and 32 moves in steps of 0.125.
_TOLERANCE_NATS: Mapping[Precision, float] = {"float32": 1e-3, "bfloat16": 0.25}
_PROBES = 4


@dataclass(frozen=True)
class VllmSettings:
    """How vLLM loads the base, and which adapters may be put on it.

    Attributes:
        precision: Number format of the weights.
        devices: GPUs that each hold a part of every layer.
        adapters: Folder of each adapter, by the digest that names it.
        probe: A prompt's token ids, two or more, on which vLLM and the adapters are proven.
    """

    precision: Precision
    devices: int
    adapters: Mapping[str, Path]
    probe: Sequence[int]


class VllmHost:
    """Loads the base into vLLM when first asked; adapters are switched, the base stays.

    Base and adapters are each proven when first selected: the log-likelihood of a token as a part
    of the prompt is the one it has as an answer, and an adapter changes log-likelihoods by more
    than the base's own differ from one asking to the next.

    Args:
        prepared: The base model.
        settings: How it is loaded.
        renderer: Turns tokens into text.
    """

    def __init__(
        self, prepared: PreparedModel, settings: VllmSettings, *, renderer: ChatRenderer
    ) -> None:
        self._prepared = prepared
        self._settings = settings
        self._renderer = renderer
        self._backend: Any = None
        self._engines: dict[str | None, VllmEngine] = {}
        self._probe = tuple(settings.probe)[: prepared.record.context_length_tokens - 1]

    def select(self, adapter: str | None) -> VllmEngine:
        """Return the base (None), or the base with an adapter on.

        Raises:
            InvalidInputError: An adapter of another base, or of a rank that vLLM does not hold.
            WorkFailedError: vLLM does not load the model, gives wrong log-likelihoods, or an
                adapter changes nothing.
        """
        if adapter not in self._engines:
            engine = self._engine(adapter)
            self._prove_log_likelihoods(engine)
            if adapter is not None:
                self._prove_adapter(engine)
            self._engines[adapter] = engine
        return self._engines[adapter]

    def _engine(self, adapter: str | None) -> VllmEngine:
        if self._backend is None:
            self._backend = self._load()
        switched = None
        if adapter is not None:
            from vllm.lora.request import LoRARequest

            # vLLM tells adapters apart by a number above zero.
            number = 1 + list(self._settings.adapters).index(adapter)
            folder = self._settings.adapters[adapter]
            switched = LoRARequest(f"adapter{number}", number, str(folder))
        return VllmEngine(
            self._backend,
            switched,
            renderer=self._renderer,
            context_length_tokens=self._prepared.record.context_length_tokens,
        )

    def _load(self) -> Any:
        adapters = self._settings.adapters
        for folder in adapters.values():
            require_adapter_of(folder, self._prepared.record.weights_digest)
        room = _room_for_ranks(adapters.values())
        import torch
        from lm_eval.models.vllm_causallms import VLLM

        # vLLM takes most of the GPU: what training or an earlier load left there is given back.
        gc.collect()
        torch.cuda.empty_cache()
        try:
            return VLLM(
                pretrained=str(self._prepared.folder),
                dtype=self._settings.precision,
                trust_remote_code=False,
                tensor_parallel_size=self._settings.devices,
                max_model_len=self._prepared.record.context_length_tokens,
                batch_size=PIECE_REQUESTS,
                # With it prompt log-likelihoods depend on the order of requests (vllm#42019), and
                # requests for them would not read it anyway (vllm#23399).
                enable_prefix_caching=False,
                enable_lora=bool(adapters),
                max_lora_rank=room,
                max_loras=1,
                max_cpu_loras=max(1, len(adapters)),
            )
        except (RuntimeError, ValueError) as error:
            raise WorkFailedError(
                "vLLM did not load the model",
                where=f"model {self._prepared.entry.name}",
                got=str(error).partition("\n")[0],
                remedy="see vLLM's own lines above, or set evaluation_engine to civicbench",
            ) from error

    def _prove_log_likelihoods(self, engine: VllmEngine) -> None:
        length = len(self._probe)
        ends = sorted({max(1, length * part // _PROBES) for part in range(1, _PROBES + 1)})
        prompts = [self._probe[:end] for end in ends]
        first = engine.first_tokens(prompts)
        requests = [Request(p, (token,)) for p, (token, _) in zip(prompts, first, strict=True)]
        scored = engine.log_likelihoods(requests)
        tolerance = _TOLERANCE_NATS[self._settings.precision]
        for prompt, (_, written), (read, _) in zip(prompts, first, scored, strict=True):
            if not abs(written - read) <= tolerance:
                raise WorkFailedError(
                    "vLLM gives a token another log-likelihood in a prompt than in an answer",
                    where=f"a prompt of {len(prompt)} tokens",
                    got=f"{read:.4f} and {written:.4f} nats",
                    remedy="use another version of vLLM, or set evaluation_engine to civicbench",
                )

    def _prove_adapter(self, engine: VllmEngine) -> None:
        request = [Request(self._probe[:1], self._probe[1:])]
        base = self.select(None)
        ((before, _),) = base.log_likelihoods(request)
        ((tuned, _),) = engine.log_likelihoods(request)
        ((after, _),) = base.log_likelihoods(request)
        if not abs(tuned - before) > abs(after - before):
            raise WorkFailedError(
                "the adapter changes nothing: the tuned model would be scored as its base",
                got=f"{tuned:.6f} nats with it, {before:.6f} and {after:.6f} without",
                remedy="check that training took steps and that the adapter's layers fit this base",
            )


def _room_for_ranks(adapters: Iterable[Path]) -> int:
    """Return the smallest rank that vLLM makes room for and every adapter fits into."""
    highest = _RANKS[0]
    for folder in adapters:
        config = json.loads(read_text(folder / "adapter_config.json"))
        highest = max(highest, config["r"], *config.get("rank_pattern", {}).values())
        if highest > _RANKS[-1]:
            raise InvalidInputError(
                "the adapter's rank is higher than vLLM holds",
                where=str(folder),
                got=f"{highest}, vLLM holds up to {_RANKS[-1]}",
                remedy="set evaluation_engine to civicbench",
            )
    return next(rank for rank in _RANKS if rank >= highest)
