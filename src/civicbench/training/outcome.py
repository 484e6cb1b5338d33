"""What training made: an adapter on the untouched base, or every weight."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file

from civicbench.core.files import copy_file_whole, write_json_whole
from civicbench.core.ranks import Ranks
from civicbench.models.trained import (
    ADAPTER_CONFIGURATION_NAME,
    ADAPTER_WEIGHTS_NAME,
    CONFIGURATION_NAME,
    GENERATION_NAME,
    stored_precision,
    write_weights,
)
from civicbench.training.adapting import ADAPTER_NAME, INITIAL_NAME
from civicbench.training.distributed.sharing import Sharing

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Outcome:
    """What training made, in main memory.

    Attributes:
        weights: The adapter's weights in float32, or every weight of the model, by name.
        adapter: The adapter's configuration; None where every weight was trained.
        source: The folder that the base was loaded from.
    """

    weights: dict[str, torch.Tensor]
    adapter: "LoraConfig | None"
    source: Path

    @classmethod
    def of(
        cls, model: "PeftModel | PreTrainedModel", *, sharing: Sharing | None = None
    ) -> "Outcome":
        """Gather what training made of a model.

        Where processes hold a part each, all of them call this, and the first one gets it.

        Args:
            model: From `build_trainable_model`, trained.
            sharing: How processes share it; this process alone where None.
        """
        sharing = sharing or Sharing(Ranks())
        keep = sharing.ranks.rank == 0
        named = dict(model.named_parameters())
        if not isinstance(model, PeftModel):
            tied = set(model.all_tied_weights_keys)
            named = {name: weight for name, weight in named.items() if name not in tied}
            return cls(sharing.gather(named, keep=keep), None, Path(model.name_or_path))
        adapters = {name: weight for name, weight in named.items() if "lora_" in name}
        gathered = sharing.gather(adapters, keep=keep)
        configuration, weights = _plain_adapter(model, gathered) if keep else (None, {})
        return cls(weights, configuration, Path(model.get_base_model().name_or_path))

    def write(self, folder: Path, *, base_name: str) -> None:
        """Write it: an adapter as PEFT has it, or a model beside the base's `config.json`.

        An adapter is `adapter_model.safetensors` and `adapter_config.json`. A fully trained model
        is `model.safetensors` (in parts, with an index, where it is large) in the number format of
        the base's files.

        Args:
            folder: Gets the files; made where absent.
            base_name: The base model's name; no machine's path is written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if self.adapter is None:
            write_weights(self.weights, folder=folder, precision=stored_precision(self.source))
            for name in (CONFIGURATION_NAME, GENERATION_NAME):
                if (self.source / name).is_file():
                    copy_file_whole(self.source / name, folder / name)
            return
        save_file(self.weights, folder / ADAPTER_WEIGHTS_NAME, metadata={"format": "pt"})
        written: dict[str, Any] = {
            **self.adapter.to_dict(),
            "base_model_name_or_path": base_name,
            "inference_mode": True,
            # PEFT keeps the layers' names in a set, whose order changes from process to process.
            "target_modules": sorted(self.adapter.target_modules),
        }
        write_json_whole(folder / ADAPTER_CONFIGURATION_NAME, written)


def _plain_adapter(
    model: PeftModel, gathered: dict[str, torch.Tensor]
) -> "tuple[LoraConfig, dict[str, torch.Tensor]]":
    """Return the adapter as a plain one on the untouched base: its configuration and weights.

    PiSSA trains on what is left of the base below the adapter's start. With W the base,
    W - sB0A0 what is left and sBA the adapter, the trained layer is W + s(BA - B0A0): an adapter
    of twice the rank on W itself (arXiv 2404.02948, appendix C).

    Args:
        model: The base with its trained adapter.
        gathered: The weights of all adapters on it.
    """

    def weights(name: str) -> dict[str, torch.Tensor]:
        found = get_peft_model_state_dict(
            model, state_dict=gathered, adapter_name=name, save_embedding_layers=False
        )
        return {key: value.float() for key, value in found.items()}

    configuration = model.peft_config[ADAPTER_NAME]
    trained = weights(ADAPTER_NAME)
    if INITIAL_NAME in model.peft_config:
        start = weights(INITIAL_NAME)
        joined = {
            key: torch.cat((value, start[key]), dim=0)
            if "lora_A" in key
            else torch.cat((value, -start[key]), dim=1)
            for key, value in trained.items()
        }
        rank = 2 * configuration.r
        root = configuration.use_rslora
        scaling = configuration.lora_alpha / (configuration.r**0.5 if root else configuration.r)
        configuration = replace(
            configuration,
            r=rank,
            lora_alpha=scaling * (rank**0.5 if root else rank),
            init_lora_weights=True,
        )
        trained = joined
    return configuration, {key: value.contiguous() for key, value in trained.items()}
