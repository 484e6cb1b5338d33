"""From a preset to what shares the model."""

from civicbench.core.ranks import Ranks
from civicbench.training.distributed.presets import Ddp, DistributedPreset, Fsdp2
from civicbench.training.distributed.sharing import Sharing


def build_sharing(preset: DistributedPreset, *, ranks: Ranks) -> Sharing:
    """Return what shares the model between processes as a preset says.

    Args:
        preset: The preset.
        ranks: The processes.
    """
    match preset.settings:
        case Ddp():
            return Sharing(ranks)
        case Fsdp2() as chosen:
            from civicbench.training.distributed.fsdp2 import SharesLayers

            return SharesLayers(ranks, preset=chosen)
        case chosen:
            from civicbench.training.distributed.zero3 import SharesWeights

            return SharesWeights(ranks, preset=chosen)
