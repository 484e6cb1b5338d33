"""Writing a recipe's gate down before its training starts."""

from civicbench.core.digests import short
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, find_finished
from civicbench.core.workspace import Workspace
from civicbench.recipes.loading import Recipe
from civicbench.registry.gate_files import gate_digest
from civicbench.registry.preregistration import GateLog
from civicbench.registry.registry import Registry


def preregister_gate(
    recipe: Recipe, stage: Stage, *, workspace: Workspace, reporter: Reporter
) -> None:
    """Write the gate into the registry's log, where its training has not started yet.

    What was written down stays the yardstick: a gate that is changed while training is
    interrupted, or after it, is judged to have moved.

    Args:
        recipe: The recipe.
        stage: Its training stage.
        workspace: Where the registry is.
        reporter: Told what was written down, and of a gate that differs.

    Raises:
        CivicbenchError: The registry cannot be written: better known now than after training.
    """
    if find_finished(stage) is not None:
        return
    with Registry.open_or_initialise(workspace, reporter=reporter) as registry:
        log = GateLog(registry)
        known = log.registered_for(stage.key)
        digest = gate_digest(recipe.gate)
        if known is not None and known.detail.digest == digest:
            return
        if known is not None and stage.partial.exists():
            reporter.say(
                f"  gate {recipe.gate.name} was changed after training had started: the version "
                f"will say so (registered: {short(known.detail.digest)}, now: {short(digest)})"
            )
            return
        log.register(recipe.gate, training=stage.key, recipe=recipe.settings.name)
    reporter.say(f"  gate {recipe.gate.name} registered before training ({short(digest)})")
