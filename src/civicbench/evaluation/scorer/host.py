"""A base model and any number of adapters on one load of it; fully trained models beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.ranks import Ranks
from civicbench.evaluation.adapter_proof import probe_logits, prove_adapter, prove_other
from civicbench.evaluation.scorer.reading import Reader
from civicbench.models.loading import Precision, Quantisation, load_adapter, load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.trained import load_fully_trained, trained_kind

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class HostSettings:
    """How the base is loaded, and which adapters may be put on it or trained models take its place.

    Attributes:
        precision: Number format of the weights.
        quantisation: How the frozen base is held, where not as it is.
        spread: Spread the layers over all GPUs.
        adapters: Folder of each adapter or fully trained model, by the digest that names it.
        probe: A prompt's token ids, on which they are proven.
    """

    precision: Precision
    quantisation: Quantisation | None
    spread: bool
    adapters: Mapping[str, Path]
    probe: Sequence[int]


class ModelHost:
    """Loads the base when first asked, and each adapter when first asked for.

    Every adapter is proven when it is loaded: it changes the logits, and with it off the model
    answers as its base does, bit for bit. A fully trained model is loaded beside the base, one at
    a time, and proven to answer otherwise than it.

    Args:
        prepared: The base model.
        settings: How it is loaded.
        ranks: The processes that each hold such a model.
    """

    def __init__(
        self, prepared: PreparedModel, settings: HostSettings, *, ranks: Ranks | None = None
    ) -> None:
        self._prepared = prepared
        self._settings = settings
        self._ranks = ranks or Ranks()
        self._base: PreTrainedModel | None = None
        self._base_logits: torch.Tensor | None = None
        self._adapted: PeftModel | None = None
        self._names: dict[str, str] = {}
        self._full: tuple[str, PreTrainedModel] | None = None
        if settings.spread and self._ranks.size > 1:
            raise InvalidInputError(
                "a model that is spread over the GPUs cannot be held by several processes",
                got=f"{self._ranks.size} processes",
                remedy="start one process, or set hardware.devices to 1",
            )
        if self._ranks.rank == 0:
            self._ranks.tell({"do": "host", "model": prepared.entry.name} | self._as_message())

    def select(self, adapter: str | None) -> Reader:
        """Return the base (None), the base with an adapter on, or a fully trained model.

        The reader is that model until the next call.

        Raises:
            WorkFailedError: Training that changed nothing, or a base that an adapter changed.
        """
        if self._ranks.rank == 0:
            self._ranks.tell({"do": "select", "adapter": adapter})
        base = self._load_base()
        if adapter is None:
            if self._adapted is None:
                return Reader(base)
            self._adapted.base_model.disable_adapter_layers()
            return Reader(self._adapted)
        if trained_kind(self._settings.adapters[adapter]) == "full":
            return Reader(self._fully_trained(adapter))
        model = self._put_on(adapter)
        model.base_model.enable_adapter_layers()
        model.set_adapter(self._names[adapter])
        return Reader(model)

    def _load_base(self) -> "PreTrainedModel":
        if self._base is None:
            self._base = load_base(
                self._prepared,
                precision=self._settings.precision,
                quantisation=self._settings.quantisation,
                spread=self._settings.spread,
            ).eval()
            self._base_logits = probe_logits(self._base, list(self._settings.probe))
        return self._base

    def _put_on(self, adapter: str) -> "PeftModel":
        if adapter in self._names and self._adapted is not None:
            return self._adapted
        name = f"adapter{len(self._names)}"
        model = load_adapter(
            self._adapted or self._load_base(),
            self._settings.adapters[adapter],
            base_weights_digest=self._prepared.record.weights_digest,
            name=name,
        )
        model.base_model.enable_adapter_layers()
        model.set_adapter(name)
        assert self._base_logits is not None  # noqa: S101 (the base was loaded above)
        prove_adapter(model, prompt_ids=list(self._settings.probe), base_logits=self._base_logits)
        self._adapted = model
        self._names[adapter] = name
        return model

    def _fully_trained(self, digest: str) -> "PreTrainedModel":
        if self._full is not None and self._full[0] == digest:
            return self._full[1]
        self._full = None  # two would stand beside the base
        model = load_fully_trained(
            self._settings.adapters[digest],
            base_weights_digest=self._prepared.record.weights_digest,
            precision=self._settings.precision,
            quantisation=self._settings.quantisation,
            spread=self._settings.spread,
        ).eval()
        assert self._base_logits is not None  # noqa: S101 (the base was loaded before)
        prove_other(model, prompt_ids=list(self._settings.probe), base_logits=self._base_logits)
        self._full = (digest, model)
        return model

    def _as_message(self) -> dict[str, object]:
        settings = self._settings
        return {
            "precision": settings.precision,
            "quantisation": settings.quantisation,
            "spread": settings.spread,
            "adapters": {digest: str(path) for digest, path in settings.adapters.items()},
            "probe": list(settings.probe),
        }
