"""How long training takes, from a short calibration here or from a GPU's figures."""

import time

from civicbench.core.environment import usable_cores
from civicbench.models.prepare import PreparedModel
from civicbench.models.settings import Architecture
from civicbench.pipeline.planning.plan import PlannedTime, PlannedTokens
from civicbench.training.devices import Devices
from civicbench.training.examples import Example, TrainingRows, rows_of_kind
from civicbench.training.memory.layers import head_operations_per_token, operations_per_token
from civicbench.training.settings import TrainingSettings

# Share of a processor's measured matrix-product rate that whole steps of packed rows reach.
_PROCESSOR_EFFICIENCY = 0.5
# The same of a GPU's maker's figure, for a model that fits it well: PaLM's authors report 0.21 to
# 0.46 for large runs (arXiv 2204.02311, table 3).
_GPU_EFFICIENCY = 0.35
_CALIBRATION_TOKENS = 400
_CALIBRATION_MOST_S = 20.0
_MATRIX_WIDTH = 1024
_MATRIX_ROUNDS = 8
# Watts of a core of a processor that is not known: the mean that the Green Algorithms tool takes
# (Lannelongue et al. 2021, doi:10.1002/advs.202100707).
_CORE_WATTS = 12.0
_JOULES_PER_KWH = 3.6e6


def training_operations(
    shape: Architecture, settings: TrainingSettings, tokens: PlannedTokens
) -> float:
    """Return the floating-point operations of a whole training.

    For dpo the reference's forward pass, without gradients, adds two operations a weight.
    """
    body = operations_per_token(shape, settings)
    if settings.objective == "dpo":
        body *= 1.5 if not settings.gradient_checkpointing else 4 / 3
    head = head_operations_per_token(shape, settings)
    return settings.epochs * (tokens.computed_tokens * body + tokens.trained_tokens * head)


def time_on_devices(operations: float, devices: Devices, *, in_turn: bool) -> PlannedTime:
    """Return time and energy on GPUs of the catalogue.

    Args:
        operations: Floating-point operations of the training.
        devices: The GPUs.
        in_turn: Whether they work one after another, as with layers spread over them.
    """
    if devices.entry is None:
        unknown = "not estimated: only the memory of these GPUs is named"
        return PlannedTime(training_s=None, how=unknown, energy_kwh=None, energy_assumption=unknown)
    working = 1 if in_turn else devices.count
    rate = working * devices.entry.bfloat16_tflops * 1e12 * _GPU_EFFICIENCY
    seconds = operations / rate
    watts = devices.count * devices.entry.watts
    return PlannedTime(
        training_s=round(seconds, 1),
        how=f"{_GPU_EFFICIENCY:.0%} of {devices.entry.bfloat16_tflops:g} TFLOP/s on each of "
        f"{working} working at once; not measured",
        energy_kwh=seconds * watts / _JOULES_PER_KWH,
        energy_assumption=f"{devices.entry.watts:g} W a GPU all the time; host, cooling and "
        "networks not counted",
    )


def time_here(
    operations: float,
    settings: TrainingSettings,
    *,
    prepared: PreparedModel | None,
    rows: TrainingRows | None,
    fits: bool,
) -> PlannedTime:
    """Return time and energy on this machine's processor, after a calibration of seconds.

    Args:
        operations: Floating-point operations of the training.
        settings: The training settings.
        prepared: The base model; None where it is not here.
        rows: The rendered training rows; None where the tokenizer is not here.
        fits: Whether the run fits in memory: if not, the model is not loaded to be timed.
    """
    rate = _product_rate(settings) * _PROCESSOR_EFFICIENCY
    how = f"matrix products at {rate / 1e9:.0f} GFLOP/s, {_PROCESSOR_EFFICIENCY:.0%} of those here"
    if prepared is not None and rows is not None and fits and settings.objective == "sft":
        measured = _step_rate(settings, prepared, rows, expected=rate)
        if measured is not None:
            rate, tokens = measured
            how = f"a training step of {tokens} tokens, timed on this machine"
    seconds = operations / rate
    watts = _CORE_WATTS * usable_cores()
    return PlannedTime(
        training_s=round(seconds, 1),
        how=how,
        energy_kwh=seconds * watts / _JOULES_PER_KWH,
        energy_assumption=f"{_CORE_WATTS:g} W a core, {usable_cores()} cores; memory, cooling and "
        "networks not counted",
    )


def _product_rate(settings: TrainingSettings) -> float:
    """Return this machine's rate of matrix products in operations a second."""
    import torch

    from civicbench.models.loading import torch_precision

    matrix = torch.ones(_MATRIX_WIDTH, _MATRIX_WIDTH, dtype=torch_precision(settings.precision))
    matrix @ matrix
    started = time.perf_counter()
    for _ in range(_MATRIX_ROUNDS):
        matrix @ matrix
    return _MATRIX_ROUNDS * 2 * _MATRIX_WIDTH**3 / (time.perf_counter() - started)


def _step_rate(
    settings: TrainingSettings,
    prepared: PreparedModel,
    rows: TrainingRows,
    *,
    expected: float,
) -> tuple[float, int] | None:
    """Return operations a second of a real step and its tokens; None where it would take long."""
    from civicbench.core.ranks import Ranks
    from civicbench.training.adapting import build_trainable_model
    from civicbench.training.loop import TrainingLoop
    from civicbench.training.objectives import build_objective
    from civicbench.training.packing import pack_rows

    chosen: list[Example] = []
    for example in rows_of_kind(rows, Example):
        chosen.append(example)
        if sum(one.length for one in chosen) >= _CALIBRATION_TOKENS:
            break
    shape = prepared.entry.architecture
    packed = pack_rows(chosen, share_beginning=settings.dropout == 0)
    tokens = packed.input_ids.shape[1]
    operations = tokens * operations_per_token(shape, settings) + len(
        packed.targets
    ) * head_operations_per_token(shape, settings)
    if 2 * operations / expected > _CALIBRATION_MOST_S:
        return None
    once = settings.model_copy(
        update={
            "batch_size_rows": len(chosen),
            "gradient_accumulation_steps": 1,
            "micro_batch_tokens": None,
            "epochs": 2.0,
        }
    )
    loop = TrainingLoop(
        once,
        build_trainable_model(once, prepared, spread=False),
        objective=build_objective(once, chosen),
        ranks=Ranks(),
    )
    loop.take_step(0, stop_asked=False)
    started = time.perf_counter()
    loop.take_step(1, stop_asked=False)
    return operations / (time.perf_counter() - started), tokens
