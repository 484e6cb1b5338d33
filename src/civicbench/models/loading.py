"""Loading a prepared base model, with or without an adapter."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from civicbench.core.documents import read_text
from civicbench.core.environment import multiplies_bfloat16, processor_name, usable_cores
from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.models.prepare import PreparedModel

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel

Precision = Literal["float32", "bfloat16"]
Quantisation = Literal["nf4", "int8"]
PROVENANCE_NAME = "provenance.json"


def choose_device() -> str:
    """Return "cuda" where a GPU is there, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(*, in_words: bool = False) -> str:
    """Return "cpu" or the GPU's name.

    Args:
        in_words: Name the processor instead of "cpu".
    """
    import torch

    if torch.cuda.is_available():
        return str(torch.cuda.get_device_name())
    return processor_name() if in_words else "cpu"


def fastest_precision() -> Precision:
    """Return bfloat16 where this machine's device multiplies in it, else float32."""
    if Path("/dev/nvidiactl").exists():  # torch is slow to import: only where there may be a GPU
        import torch

        if torch.cuda.is_available():
            return "bfloat16" if torch.cuda.is_bf16_supported(False) else "float32"
    return "bfloat16" if multiplies_bfloat16() else "float32"


def torch_precision(precision: Precision) -> "torch.dtype":
    """Return PyTorch's name of a precision."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def load_base(
    prepared: PreparedModel,
    *,
    precision: Precision,
    quantisation: Quantisation | None = None,
    spread: bool = False,
) -> "PreTrainedModel":
    """Load a base model's safetensors onto this machine's device; see `load_weights`.

    Raises:
        PartAbsentError: Quantisation is asked for and `bitsandbytes` is not installed.
    """
    return load_weights(
        prepared.folder, precision=precision, quantisation=quantisation, spread=spread
    )


def load_weights(
    folder: Path,
    *,
    precision: Precision,
    quantisation: Quantisation | None = None,
    spread: bool = False,
) -> "PreTrainedModel":
    """Load a folder's safetensors onto this machine's device.

    Args:
        folder: Configuration and weights in Hugging Face layout, verified.
        precision: The weights' number format.
        quantisation: Hold the linear layers' weights as nf4 with double quantisation (QLoRA,
            arXiv 2305.14314) or as int8 (LLM.int8(), arXiv 2208.07339).
        spread: Spread the layers over all GPUs, which then work in turn.

    Raises:
        PartAbsentError: Quantisation is asked for and `bitsandbytes` is not installed.
    """
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    torch.set_num_threads(usable_cores())
    dtype = torch_precision(precision)
    held: BitsAndBytesConfig | None = None
    if quantisation is not None:
        require_package("bitsandbytes", extra="qlora")
    if quantisation == "nf4":
        held = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    if quantisation == "int8":
        held = BitsAndBytesConfig(load_in_8bit=True)
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype=dtype,
        quantization_config=held,
        device_map="auto" if spread else {"": choose_device()},
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        attn_implementation="sdpa",
    )
    if quantisation == "nf4":
        _keep_unpacked(model)
    return model


def _keep_unpacked(model: "PreTrainedModel") -> None:
    """Keep bitsandbytes from packing nf4 weights for inference on a CPU.

    It packs them in the first pass without gradients, such as a held-out loss, and never unpacks
    them for training: no gradient flows through a packed layer (bitsandbytes 0.50, `Linear4bit`).
    Packed ones round otherwise too, and on some processors only.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for layer in model.modules():
        if isinstance(layer, Linear4bit):
            layer.support_avx512bf16_for_cpu = False


def load_adapter(
    model: "PreTrainedModel | PeftModel",
    adapter: Path,
    *,
    base_weights_digest: str,
    name: str = "default",
) -> "PeftModel":
    """Put a trained adapter onto a loaded base model, beside those that are on it.

    Args:
        model: The base model, or one that this function returned.
        adapter: The adapter's folder, with its provenance.
        base_weights_digest: Digest of the base model that was loaded.
        name: What the adapter is called on this model.

    Raises:
        PartAbsentError: No adapter stands there.
        InvalidInputError: The adapter was trained on another base.
    """
    from peft import PeftModel

    require_adapter_of(adapter, base_weights_digest)
    if isinstance(model, PeftModel):
        model.load_adapter(adapter, adapter_name=name, is_trainable=False)
        return model.eval()
    return PeftModel.from_pretrained(model, adapter, adapter_name=name, is_trainable=False).eval()


def require_adapter_of(adapter: Path, base_weights_digest: str) -> None:
    """Refuse a folder that holds no adapter, or one that was trained on another base.

    Raises:
        PartAbsentError: No adapter stands there.
        InvalidInputError: The adapter was trained on another base.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise PartAbsentError("no adapter in safetensors form", where=str(adapter))
    trained_on = json.loads(read_text(adapter / PROVENANCE_NAME))["base_weights_digest"]
    if trained_on != base_weights_digest:
        raise InvalidInputError(
            "the adapter was trained on another base model",
            where=str(adapter),
            got=f"trained on {trained_on[:12]}, this base is {base_weights_digest[:12]}",
        )


def require_package(name: str, *, extra: str) -> None:
    """Refuse to start where an optional package is needed and absent.

    Raises:
        PartAbsentError: With the command that installs it.
    """
    import importlib.util

    if importlib.util.find_spec(name) is None:
        raise PartAbsentError(
            f"the package {name} is not installed",
            remedy=f"install it with: pip install 'civicbench[{extra}]'",
        )
