"""A recipe as jobs of a cluster: training, then each suite, then gate and registry."""

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from civicbench.core.content import project_root
from civicbench.core.errors import PartAbsentError
from civicbench.launch.slurm.profile import ClusterProfile, Resources
from civicbench.launch.slurm.script import Job
from civicbench.launch.slurm.submission import Submission
from civicbench.launch.slurm.submitting import Launch
from civicbench.pipeline.cluster.facts import recipe_facts
from civicbench.recipes.loading import Recipe, load_recipe


def launch_of(
    recipe: Recipe,
    profile: ClusterProfile,
    *,
    reference: str,
    processes: int | None,
    must_resume: bool,
    only_training: bool,
) -> Launch:
    """Return what a recipe's launch on a cluster is.

    Args:
        recipe: The recipe.
        profile: The cluster.
        reference: How the user named the recipe.
        processes: Processes of each node in training; the profile's where None.
        must_resume: Refuse to train from nothing.
        only_training: End with the trained weights.

    Raises:
        InvalidInputError: More processes than rows of a step, or a preset that does not fit them.
    """
    named = str(Path(reference).resolve()) if reference.endswith((".yaml", ".yml")) else reference
    work = (named, *recipe.overrides)
    count = _choose_processes(recipe, profile, asked=processes)
    jobs = [_training(recipe, profile, work, processes=count, must_resume=must_resume)]
    labels: dict[str, Sequence[str]] = {}
    if not only_training:
        suites = [suite.settings.name for suite in recipe.suites]
        name = recipe.settings.name
        evaluation = _on_one_node(profile, profile.evaluation)
        jobs += [
            Job(
                step="evaluate",
                title=f"scores of {name}, a suite a task",
                command=("civicbench", "evaluate", *work),
                resources=evaluation,
                tasks=[("--suite", suite) for suite in suites],
            ),
            Job(
                step="register",
                title=f"gate, registered version and card of {name}",
                command=("civicbench", "run", *work),
                resources=_on_one_node(profile, profile.registration),
            ),
        ]
        labels["evaluate"] = suites
    words = ["civicbench", "launch", named, *recipe.overrides, "--cluster", profile.name]
    return Launch(
        what=recipe.settings.name,
        command=shlex.join(words),
        profile=profile,
        project=project_root(),
        recipe=named,
        overrides=recipe.overrides,
        facts=recipe_facts(recipe),
        jobs=jobs,
        labels=labels,
    )


def facts_now(submission: Submission) -> dict[str, str]:
    """Return the facts of what was launched, as they are now."""
    recipe = load_recipe(submission.recipe, overrides=submission.overrides)
    kept = {key: value for key, value in submission.facts.items() if key.startswith("sweep")}
    return recipe_facts(recipe) | kept


def _choose_processes(recipe: Recipe, profile: ClusterProfile, *, asked: int | None) -> int:
    """Return how many processes train on each node, refusing what could not train."""
    from civicbench.training.distributed.presets import load_preset, refuse_preset

    hardware = recipe.settings.hardware
    several = hardware is not None and hardware.devices > 1
    in_turn = several and not load_preset(recipe.training.distributed).shares_weights
    count = asked or (1 if in_turn else profile.processes)
    with contextlib.suppress(PartAbsentError):  # of this machine: the nodes are others
        refuse_preset(recipe.training, processes=count * profile.nodes, spread=in_turn)
    return count


def _training(
    recipe: Recipe,
    profile: ClusterProfile,
    work: Sequence[str],
    *,
    processes: int,
    must_resume: bool,
) -> Job:
    resume = ["--resume"] if must_resume else []
    if profile.nodes == processes == 1:
        command = ["civicbench", "train", *work, *resume]
    else:
        command = ["civicbench", "launch", *work, *resume, "--only-training"]
        command += ["--processes", str(processes)]
    where = f"{profile.nodes} node{'s' if profile.nodes > 1 else ''} of {processes}"
    return Job(
        step="train",
        title=f"training of {recipe.settings.name} on {where}",
        command=command,
        resources=profile.resources_of(Resources()),
        nodes=profile.nodes,
    )


def _on_one_node(profile: ClusterProfile, changed: Resources) -> Resources:
    """Return what a job of one process asks for: no more GPUs than it can use."""
    resources = profile.resources_of(changed)
    if changed.gpus_per_node is None and (resources.gpus_per_node or 0) > 1:
        return resources.model_copy(update={"gpus_per_node": 1})
    return resources
