"""Peak memory of training by part, from architecture numbers and the sizes of its passes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from civicbench.models.settings import Architecture
from civicbench.training.memory.activations import (
    BFLOAT16,
    FLOAT32,
    compute_bytes,
    pass_memory,
)
from civicbench.training.memory.allocator import returns_blocks
from civicbench.training.memory.layers import (
    linear_layers,
    linear_parameters,
    trained_parameters,
)
from civicbench.training.memory.passes import PassShape
from civicbench.training.memory.sharding import (
    Sharding,
    activation_share,
    gathered_bytes,
    gradient_share,
    optimiser_share,
    row_processes,
    weight_share,
)
from civicbench.training.settings import TrainingSettings

# nf4 with double quantisation: 4 bits and 0.127 bits of constants a weight (arXiv 2305.14314).
_NF4_BYTES = 4.127 / 8
# int8 and a float32 scale a row, which is nothing beside it.
_INT8_BYTES = 1.0
# AdamW's two moments in float32.
_MOMENT_BYTES = 8
# Temporary float32 tensors of the largest trained weight while AdamW updates it.
_UPDATE_COPIES = 2
# What a process holds beside tensors: on a CPU threads' stacks, code that oneDNN makes and what
# malloc keeps; on a GPU the CUDA context and cuBLAS's workspace.
_CPU_CONSTANT = {"float32": 30e6, "bfloat16": 60e6}
# In bfloat16 a processor's kernels are made for each shape and never dropped: measured 8 MB a
# length of pass in SmolLM2-135M's matrix products.
_PASS_KERNEL_BYTES = 8e6
_GPU_CONSTANT = 0.7e9
# Share of activations and logits that malloc, or CUDA's caching allocator, leaves unused between:
# where large blocks are given back when freed, and where malloc keeps them in a heap it cuts up.
_CPU_FRAGMENTS = {"float32": 0.03, "bfloat16": 0.1}
_HEAP_FRAGMENTS = 0.33
_GPU_FRAGMENTS = 0.05


@dataclass(frozen=True)
class MemoryPlan:
    """Memory of each device at the moment that needs most of it, by part, in bytes.

    Attributes:
        weights: The base model.
        adapter: The adapter's weights; 0 for full.
        gradients: Gradients of trained weights.
        optimiser: AdamW's moments.
        activations: What forward passes keep for backward passes.
        logits: The output head's results and their gradients.
        workspace: Temporary tensors, allocator, and what the process itself holds.
        moment: Which moment that is: "output head", "decoder layer" or "update".
    """

    weights: float
    adapter: float
    gradients: float
    optimiser: float
    activations: float
    logits: float
    workspace: float
    moment: str

    @property
    def total(self) -> float:
        """All parts together."""
        return sum(self.by_part().values())

    def by_part(self) -> dict[str, float]:
        """Return the parts by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "moment"}


def plan_memory(
    shape: Architecture,
    settings: TrainingSettings,
    *,
    passes: Sequence[PassShape],
    on_gpu: bool = False,
    sharding: Sharding = "none",
    devices: int = 1,
) -> MemoryPlan:
    """Return what training is expected to need on each device.

    Args:
        shape: The base model's numbers.
        settings: The training settings.
        passes: Sizes of forward passes; the one that needs most counts.
        on_gpu: Whether the devices are GPUs.
        sharding: How devices share.
        devices: How many there are.
    """
    plans = [
        _plan_pass(
            shape, settings, size, on_gpu=on_gpu, sharding=sharding, devices=devices,
        )
        for size in passes
    ]  # fmt: skip
    return max(plans, key=lambda plan: plan.total)


def _plan_pass(
    shape: Architecture,
    settings: TrainingSettings,
    size: PassShape,
    *,
    on_gpu: bool,
    sharding: Sharding,
    devices: int,
) -> MemoryPlan:
    trained = trained_parameters(shape, settings)
    weights = base_bytes(shape, settings) * weight_share(sharding, devices=devices)
    adapter = 0.0
    if settings.method == "lora":
        adapter = FLOAT32 * trained * weight_share(sharding, devices=devices)
    gradients = FLOAT32 * trained * gradient_share(sharding, devices=devices)
    optimiser = _MOMENT_BYTES * trained * optimiser_share(sharding, devices=devices)
    part = activation_share(sharding, devices=devices)
    needs = pass_memory(shape, settings, size, on_gpu=on_gpu)
    layers = shape.layers * part
    if settings.gradient_checkpointing:
        kept = layers * needs.between + needs.masks + needs.end
        recomputed = needs.kept + needs.layer_copies
    else:
        kept = layers * (needs.kept + needs.layer_copies) + needs.masks + needs.end
        recomputed = 0.0
    # With one pass a step the gradients are none before the backward pass begins.
    again = settings.gradient_accumulation_steps > 1 or settings.micro_batch_tokens is not None
    before = gradients if again else 0.0
    fixed = gathered_bytes(
        shape,
        sharding,
        weight_bytes=FLOAT32 if settings.method == "full" else compute_bytes(settings),
    )
    constant = (
        _GPU_CONSTANT
        if on_gpu
        else _CPU_CONSTANT[settings.precision] + _kernel_bytes(settings, size)
    )
    heap = not on_gpu and not returns_blocks(settings, shares_weights=sharding == "zero3")
    fragments = _CPU_FRAGMENTS[settings.precision]
    if on_gpu or heap:
        fragments = _GPU_FRAGMENTS if on_gpu else _HEAP_FRAGMENTS
    head = _head_copy(shape, settings)
    moments = {
        "output head": (before, kept + head, needs.logits, fixed),
        "decoder layer": (
            before,
            kept + recomputed,
            0.0,
            fixed + needs.working + _dequantised(shape, settings),
        ),
        "update": (gradients, 0.0, 0.0, _update_bytes(shape, settings, on_gpu=on_gpu)
                   + _exchange_bytes(trained, sharding, devices=devices, on_gpu=on_gpu)),
    }  # fmt: skip
    found = [
        MemoryPlan(
            weights=weights,
            adapter=adapter,
            gradients=gradient,
            optimiser=optimiser,
            activations=activations,
            logits=logits,
            workspace=constant
            + working
            + fragments * (activations + logits + working)
            # What passes kept has been freed by then, and the heap holds it all the same.
            + (kept if heap and moment == "update" else 0.0),
            moment=moment,
        )
        for moment, (gradient, activations, logits, working) in moments.items()
    ]
    return max(found, key=lambda plan: plan.total)


def _kernel_bytes(settings: TrainingSettings, size: PassShape) -> float:
    if settings.precision == "float32":
        return 0.0
    return _PASS_KERNEL_BYTES * size.run_pass_lengths


def base_bytes(shape: Architecture, settings: TrainingSettings) -> float:
    """Return the bytes of the base model's weights."""
    number = FLOAT32 if settings.method == "full" else compute_bytes(settings)
    inner = linear_parameters(shape)
    held = {"nf4": _NF4_BYTES, "int8": _INT8_BYTES}.get(settings.quantisation or "", number)
    return inner * held + (shape.parameters - inner) * number


def _head_copy(shape: Architecture, settings: TrainingSettings) -> float:
    """Return bytes of full training's head: its cast, and its gradient while logits exist."""
    if settings.method != "full":
        return 0.0
    numbers = shape.vocabulary_size * shape.hidden_size
    cast = BFLOAT16 if settings.precision == "bfloat16" else 0
    return float(numbers * (cast + FLOAT32))


def _dequantised(shape: Architecture, settings: TrainingSettings) -> float:
    """Return bytes of the largest matrix while its few bits are made numbers again."""
    if settings.quantisation is None:
        return 0.0
    largest = max(layer.inputs * layer.outputs for layer in linear_layers(shape))
    return float(largest * (FLOAT32 + BFLOAT16))


def _update_bytes(shape: Architecture, settings: TrainingSettings, *, on_gpu: bool) -> float:
    if settings.kernels == "auto":
        return 0.0
    if on_gpu:  # PyTorch updates all weights at once, with one temporary tensor for each
        return float(FLOAT32 * trained_parameters(shape, settings))
    rank = settings.rank or 0
    largest = (
        shape.vocabulary_size * shape.hidden_size
        if settings.method == "full"
        else rank * max(shape.hidden_size, shape.intermediate_size)
    )
    return float(_UPDATE_COPIES * FLOAT32 * largest)


def _exchange_bytes(trained: int, sharding: Sharding, *, devices: int, on_gpu: bool) -> float:
    """Return bytes of gradients while processes add theirs, which they do in main memory."""
    if on_gpu or row_processes(sharding, devices=devices) == 1:
        return 0.0
    return float(2 * FLOAT32 * trained)
