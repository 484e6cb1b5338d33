"""Refusing a run that memory cannot hold, before it starts."""

from civicbench.core.errors import PartAbsentError
from civicbench.models.loading import choose_device
from civicbench.models.settings import Architecture
from civicbench.training.examples import TrainingRows
from civicbench.training.memory.available import available_bytes
from civicbench.training.memory.fitting import Fitting, fit_memory
from civicbench.training.memory.passes import largest_passes
from civicbench.training.memory.planning import MemoryPlan, plan_memory
from civicbench.training.memory.sharding import Sharding
from civicbench.training.settings import TrainingSettings

# Measured peaks lie within 15 % of planned ones (benchmarks/memory.py): a plan is only refused
# where even the least that it may mean does not fit.
TOLERANCE = 0.15


def require_memory(
    shape: Architecture,
    settings: TrainingSettings,
    *,
    rows: TrainingRows,
    processes: int = 1,
    spread_devices: int = 1,
    shares_weights: bool = False,
    available: float | None = None,
) -> MemoryPlan:
    """Plan a run with the memory that is free now, and refuse what cannot fit.

    Called in every process before the base model is loaded. There is no setting that overrules
    it: a plan is refused only where it exceeds what is available by more than its own error, and
    then training would be killed by the system, with the work of its last minutes.

    Args:
        shape: The base model's numbers.
        settings: The training settings.
        rows: The training rows.
        processes: How many processes share each step.
        spread_devices: How many GPUs the layers are spread over.
        shares_weights: Whether each process holds a part of the weights.
        available: Bytes that each process may take; what is free here where None.

    Returns:
        The plan.

    Raises:
        PartAbsentError: With what would fit.
    """
    on_gpu = choose_device() == "cuda"
    free = available_bytes() if available is None else available
    sharding: Sharding = "none"
    devices = 1
    if spread_devices > 1:
        sharding, devices = "layers", spread_devices
    elif processes > 1:
        sharding, devices = "zero3" if shares_weights else "ddp", processes
    plan = plan_memory(
        shape,
        settings,
        passes=largest_passes(settings, rows, processes=processes),
        on_gpu=on_gpu,
        sharding=sharding,
        devices=devices,
    )
    if plan.total * (1 - TOLERANCE) <= free:
        return plan
    fitting = fit_memory(
        shape,
        settings,
        passes_of=lambda changed, count: largest_passes(changed, rows, processes=count),
        longest_row_tokens=max(row.length for row in rows),
        available=free,
        on_gpu=on_gpu,
        devices=devices,
        shardings=("ddp", "zero3") if sharding == "ddp" else (sharding,),
        allow_quantisation=True,
    )
    raise PartAbsentError(
        "training would need more memory than there is",
        where="training",
        got=f"about {plan.total / 1e9:.1f} GB at its peak ({plan.moment}), "
        f"{free / 1e9:.1f} GB free{' on each device' if devices > 1 else ''}",
        remedy=_remedy(fitting, free=free),
    )


def _remedy(fitting: Fitting, *, free: float) -> str:
    if not fitting.proposals:
        short = (fitting.smallest.total - free) / 1e9
        return (
            f"free {short:.1f} GB or use a smaller base model: with every change that spares "
            f"memory it would still need {fitting.smallest.total / 1e9:.1f} GB"
        )
    ways = [
        f"{' '.join(one.overrides(devices=1, memory_bytes=free)) or 'nothing'} "
        f"({one.plan.total / 1e9:.1f} GB)"
        for one in fitting.proposals
    ]
    return "this would fit, the cheapest change first: " + "; or ".join(ways)
