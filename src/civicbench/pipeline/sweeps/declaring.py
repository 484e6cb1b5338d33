"""A sweep as it is declared: tasks and rule, with a digest, before the first run starts."""

import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.digests import digest_json, short
from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.files import write_text_whole
from civicbench.core.settings import suggest
from civicbench.core.workspace import Workspace
from civicbench.pipeline.cluster.facts import recipe_facts
from civicbench.pipeline.sweeps.grid import SEED_KEY, parse_grid, variations
from civicbench.pipeline.sweeps.rule import WinnerRule, declare_rule
from civicbench.recipes.loading import Recipe, load_recipe

RECORD_NAME = "sweep.json"
FORMAT_VERSION = 1


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SweepTask(_Fact):
    """One run of a sweep."""

    number: int
    """Its number, from 0."""
    variation: int
    """The number of its combination of settings."""
    seed: int
    """Its seed."""
    overrides: tuple[str, ...]
    """What it changes of the recipe."""


class Sweep(_Fact):
    """A sweep: `sweep.json` in its folder."""

    format_version: int = FORMAT_VERSION
    """Version of this record's form."""
    name: str
    """Its name; its folder's name."""
    recipe: str
    """The recipe, as the user named it."""
    facts: dict[str, str]
    """Every setting of the recipe before it is changed, by its path."""
    variations: tuple[tuple[str, ...], ...]
    """Each combination of settings."""
    seeds: tuple[int, ...]
    """The seeds that each is run with."""
    evaluated: bool
    """Whether the recipe's suites are scored."""
    rule: WinnerRule
    """The rule by which the winner is chosen."""
    declared_at: str
    """When it was declared, in UTC."""
    digest: str
    """Digest of everything above but for the time."""

    @property
    def tasks(self) -> tuple[SweepTask, ...]:
        """Its runs: each combination with each seed."""
        pairs = [
            (place, seed) for place in range(len(self.variations)) for seed in self.seeds
        ]  # fmt: skip
        return tuple(
            SweepTask(
                number=number,
                variation=place,
                seed=seed,
                overrides=(*self.variations[place], f"{SEED_KEY}={seed}"),
            )
            for number, (place, seed) in enumerate(pairs)
        )

    def own_digest(self) -> str:
        """Return the digest of what was declared, computed anew."""
        return digest_json(self.model_dump(mode="json", exclude={"digest", "declared_at"}))


def declare_sweep(
    reference: str,
    words: Sequence[str],
    *,
    seeds: int,
    rule: str | None,
    evaluated: bool,
    workspace: Workspace,
    keep: bool,
) -> tuple[Path, Sweep]:
    """Declare a sweep, or find it declared already.

    Every combination is loaded as a recipe first: a mistake in the last is found before the first
    runs.

    Args:
        reference: The recipe.
        words: `key.path=value,value` texts.
        seeds: How many seeds.
        rule: The winner's rule, as the user wrote it.
        evaluated: Whether the suites are scored.
        workspace: Where it is kept.
        keep: Whether to write the declaration down.

    Raises:
        InvalidInputError: A mistake; or the same sweep was declared with another rule.
    """
    recipe = load_recipe(reference)
    combinations = variations(parse_grid(words))
    loaded = [load_recipe(reference, overrides=combination) for combination in combinations]
    declared = declare_rule(rule, recipe=loaded[0], seeds=seeds, evaluated=evaluated)
    for other in loaded[1:]:
        declare_rule(declared.text, recipe=other, seeds=seeds, evaluated=evaluated)
    _refuse_equal(loaded)
    first = recipe.training.seed
    sweep = Sweep(
        name="",
        recipe=_named(reference),
        facts=recipe_facts(recipe),
        variations=tuple(combinations),
        seeds=tuple(range(first, first + seeds)),
        evaluated=evaluated,
        rule=declared,
        declared_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        digest="",
    )
    # Without the rule: another rule on the same runs is another declaration of the same sweep.
    runs = sweep.model_dump(mode="json", exclude={"rule", "declared_at", "digest", "evaluated"})
    name = f"{recipe.settings.name}-{short(digest_json(runs))}"
    sweep = sweep.model_copy(update={"name": name})
    sweep = sweep.model_copy(update={"digest": sweep.own_digest()})
    folder = workspace.sweeps / name
    if (folder / RECORD_NAME).is_file():
        return folder, _known(folder, sweep)
    if keep:
        write_text_whole(folder / RECORD_NAME, sweep.model_dump_json(indent=2) + "\n")
    return folder, sweep


def _known(folder: Path, sweep: Sweep) -> Sweep:
    known = read_sweep(folder)
    if (known.rule, known.evaluated) == (sweep.rule, sweep.evaluated):
        return known
    raise InvalidInputError(
        "this sweep was declared before with another rule, and a rule is not changed once runs "
        "may have been seen",
        where=str(folder / RECORD_NAME),
        got=f"{known.rule.text}{'' if known.evaluated else ', --only-training'} declared at "
        f"{known.declared_at}, {sweep.rule.text}{'' if sweep.evaluated else ', --only-training'} "
        "now",
        remedy=f"go on with --winner-rule '{known.rule.text}'"
        + ("" if known.evaluated else " --only-training")
        + ", or add a seed: that is another sweep",
    )


def read_sweep(folder: Path) -> Sweep:
    """Read a declared sweep, and check that it is what was declared.

    Raises:
        PartAbsentError: There is none.
        IntegrityError: It was changed since.
    """
    path = folder / RECORD_NAME
    try:
        sweep = Sweep.model_validate_json(read_text(path))
    except ValidationError as error:
        raise IntegrityError(
            "is not the declaration of a sweep", where=str(path), got=str(error).splitlines()[0]
        ) from None
    if sweep.own_digest() != sweep.digest:
        raise IntegrityError(
            "the declaration was changed after it was made",
            where=str(path),
            got=f"digest {sweep.own_digest()[:12]}, declared as {sweep.digest[:12]}",
            remedy="restore it: a rule that was changed afterwards proves nothing",
        )
    return sweep


def list_declared(workspace: Workspace) -> list[tuple[Path, Sweep]]:
    """Return every sweep of a workspace, the newest first."""
    folders = [path.parent for path in workspace.sweeps.glob(f"*/{RECORD_NAME}")]
    found = [(folder, read_sweep(folder)) for folder in folders]
    return sorted(found, key=lambda pair: (pair[1].declared_at, pair[1].name), reverse=True)


def find_sweep(workspace: Workspace, name: str) -> tuple[Path, Sweep]:
    """Return a declared sweep by its name, or the beginning of it.

    Raises:
        InvalidInputError: None or several are so called.
    """
    names = sorted(path.parent.name for path in workspace.sweeps.glob(f"*/{RECORD_NAME}"))
    found = [known for known in names if known == name] or [
        known for known in names if known.startswith(name)
    ]
    if len(found) != 1:
        near = suggest(name, names)
        several = f"several begin so: {', '.join(found)}"
        raise InvalidInputError(
            f"there is no sweep {name!r} in this workspace" if not found else several,
            where=str(workspace.sweeps),
            remedy=f"did you mean {near}?" if near else f"known: {', '.join(names) or 'none'}",
        )
    folder = workspace.sweeps / found[0]
    return folder, read_sweep(folder)


def _named(reference: str) -> str:
    return str(Path(reference).resolve()) if reference.endswith((".yaml", ".yml")) else reference


def _refuse_equal(recipes: Sequence[Recipe]) -> None:
    """Refuse two combinations that come to the same recipe, such as 1e-4 and 0.0001."""
    seen: dict[str, Recipe] = {}
    for recipe in recipes:
        same = seen.setdefault(recipe.digest, recipe)
        if same is not recipe:
            raise InvalidInputError(
                "two combinations are the same run",
                where="command line",
                got=f"{' '.join(same.overrides)} and {' '.join(recipe.overrides)}",
            )
