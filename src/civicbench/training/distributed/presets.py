"""Presets of how processes share training (`training/distributed/*.yaml`)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings, parse_settings
from civicbench.models.loading import Precision, require_package
from civicbench.training.settings import AUTO, TrainingSettings

PRESET_KIND = "training/distributed/{name}.yaml"
_Numbers = Annotated[int, Field(gt=0)]


class Ddp(Settings):
    """A copy of the model in each process."""

    strategy: Literal["ddp"]
    """ddp: gradients are added over all processes in one exchange a step."""


class Fsdp2(Settings):
    """A part of each layer in each process, by PyTorch's fully_shard."""

    strategy: Literal["fsdp2"]
    """fsdp2: layers are fetched whole while they compute (arXiv 2304.11277)."""
    reshard_after_forward: bool
    """Let go of a layer after the forward pass and fetch it again for the backward pass; false
    keeps all layers until then, which takes a whole model's memory and spares one fetch in two."""
    gathered_precision: Precision | None
    """Number format in which layers are fetched and compute; null for the one they are held in,
    which gives the numbers of one process."""
    reduced_precision: Precision
    """Number format in which gradients are added."""
    cpu_offload: bool
    """Hold parts, gradients and optimiser in main memory, and only what computes on the GPU."""


class DeepspeedZero3(Settings):
    """A part of each weight in each process, by DeepSpeed."""

    strategy: Literal["deepspeed-zero3"]
    """deepspeed-zero3: ZeRO stage 3 (arXiv 1910.02054)."""
    bucket_numbers: _Numbers
    """Numbers that are exchanged at once."""
    kept_whole_numbers: Annotated[int, Field(ge=0)]
    """Weights with fewer numbers stay whole in each process."""
    cpu_offload: bool
    """Hold frozen weights and optimiser in main memory."""


class DistributedPreset(Settings):
    """A preset's file: what it is, and its settings."""

    name: str
    """The name that recipes use; equals the file's name."""
    title: str
    """The name that people use."""
    description: str
    """When to use it."""
    settings: Annotated[Ddp | Fsdp2 | DeepspeedZero3, Field(discriminator="strategy")]
    """Its settings."""

    @property
    def shares_weights(self) -> bool:
        """Whether no process holds the whole model."""
        return not isinstance(self.settings, Ddp)


def load_preset(name: str) -> DistributedPreset:
    """Return a preset by name; `auto` is a copy in each process.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    return _read(find_content(PRESET_KIND, "ddp" if name == AUTO else name))


def list_presets() -> list[DistributedPreset]:
    """Return every preset, by name."""
    return [_read(path) for _, path in sorted(list_content(PRESET_KIND).items())]


def preset_misfits(preset: DistributedPreset, settings: TrainingSettings) -> list[str]:
    """Return where a preset and a training method do not go together."""
    if not preset.shares_weights:
        return []
    found = []
    if settings.quantisation is not None:
        found.append(
            f"{preset.name} shares out plain numbers, and a base in {settings.quantisation} is "
            "packed with constants of its own: set training.distributed to ddp, or "
            "training.quantisation to null"
        )
    if isinstance(preset.settings, DeepspeedZero3) and settings.initialisation == "pissa":
        found.append(
            f"{preset.name} has no whole layer from which pissa could start: set "
            "training.distributed to fsdp2 or ddp"
        )
    return found


def refuse_preset(
    settings: TrainingSettings, *, processes: int, spread: bool = False
) -> DistributedPreset:
    """Return the preset of a run, or refuse where this machine and its processes do not fit it.

    Args:
        settings: The training settings.
        processes: How many processes share each step.
        spread: Whether one process spreads the layers over several GPUs.

    Raises:
        InvalidInputError: With what to change.
        PartAbsentError: A package or a GPU is absent.
    """
    preset = load_preset(settings.distributed)
    where = "training.distributed"
    misfits = preset_misfits(preset, settings)
    if misfits:
        raise InvalidInputError("; ".join(misfits), where=where, got=preset.name)
    if preset.shares_weights and processes == 1:
        raise InvalidInputError(
            "weights are shared out between processes, and there is one",
            where=where,
            got=f"{preset.name} with one process",
            remedy="start several with `civicbench launch RECIPE --processes N`, or set it to auto",
        )
    if spread and processes > 1:
        raise InvalidInputError(
            "hardware.devices has one process hold the layers in turn, and there are several",
            where=where,
            got=f"{processes} processes",
            remedy="set training.distributed to ddp or fsdp2, or start one process",
        )
    _refuse_idle(settings, processes=processes)
    if isinstance(preset.settings, DeepspeedZero3):
        require_package("deepspeed", extra="deepspeed")
    if not isinstance(preset.settings, Ddp) and preset.settings.cpu_offload:
        _require_gpu(preset)
    return preset


def _refuse_idle(settings: TrainingSettings, *, processes: int) -> None:
    batch, passes = settings.batch_size_rows, settings.gradient_accumulation_steps
    if batch < processes * passes:
        raise InvalidInputError(
            "a step has too few rows to give every process one for each of its forward passes",
            where="training.batch_size_rows",
            got=f"{batch} rows a step, {processes} processes, {passes} passes",
            remedy="raise it, or start fewer processes",
        )


def _require_gpu(preset: DistributedPreset) -> None:
    from civicbench.core.errors import PartAbsentError
    from civicbench.models.loading import choose_device

    if choose_device() != "cuda":
        raise PartAbsentError(
            "cpu_offload moves weights between a GPU and main memory",
            where=f"training.distributed: {preset.name}",
            got="no GPU here: everything stands in main memory already",
            remedy="use a preset whose cpu_offload is false",
        )


def _read(path: Path) -> DistributedPreset:
    preset = parse_settings(DistributedPreset, read_yaml_mapping(path), where=str(path))
    if preset.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=preset.name
        )
    return preset
