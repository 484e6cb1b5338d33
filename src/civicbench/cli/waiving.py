"""Commands on waivers of use policies."""

from datetime import datetime
from pathlib import Path

import click

from civicbench.cli.output import print_json, print_table, printable
from civicbench.cli.signing import PassphraseSource, signing_options, unlock
from civicbench.cli.working import overrides_argument, recipe_argument

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.command("waive")
@recipe_argument
@overrides_argument
@click.option("--clause", required=True, help="The clause of the base's use policy, by its key.")
@click.option("--reason", required=True, help="Why it does not stand in the way.")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD",
              help="The last day on which the waiver counts.")  # fmt: skip
@signing_options
@_json
def waive(
    recipe: str,
    overrides: tuple[str, ...],
    clause: str,
    reason: str,
    until: datetime,
    person: str,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Waive a clause of the base's use policy for the declared uses of RECIPE, signed.

    It takes a senior responsible owner, and counts up to a day. Run the recipe again afterwards:
    the new version carries the waiver.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.waiving import draft_waiver
    from civicbench.recipes.loading import load_recipe
    from civicbench.registry.registry import Registry
    from civicbench.registry.waivers import WaiverLog

    loaded = load_recipe(recipe, overrides=overrides)
    told = draft_waiver(loaded, clause=clause, reason=reason, until=until.date())
    with Registry.open_or_initialise(Workspace.locate(), reporter=Reporter()) as registry:
        source = PassphraseSource(passphrase_file, passphrase_fd)
        signer = unlock(registry, person=person, source=source)
        made = WaiverLog(registry.log).give(told, signer=signer)
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    click.echo(
        f"Waived for {made.model}: {made.clause} ({', '.join(made.sectors)}) until {made.expires}, "
        f"by {made.by} as {made.role}; event {made.event[:12]}"
    )


@click.command("waivers")
@click.option("--model", help="Only those of this model.")
@_json
def list_waivers(model: str | None, as_json: bool) -> None:
    """List every waiver of a use policy, oldest first."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry
    from civicbench.registry.waivers import WaiverLog

    with Registry.open(Workspace.locate()) as registry:
        found = WaiverLog(registry.log).all(model=model)
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    print_table(
        "",
        ("model", "clause", "uses", "until", "by", "as", "reason"),
        [
            (
                one.model, one.clause, ", ".join(one.sectors), one.expires.isoformat(), one.by,
                one.role, printable(one.reason),
            )
            for one in found
        ],
    )  # fmt: skip
