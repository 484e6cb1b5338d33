"""Commands that list and show registered versions."""

import click

from civicbench.cli.output import print_json, print_table

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def registry() -> None:
    """Registered model versions."""


@registry.command("list")
@click.option("--model", help="Only the versions of this model.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True,
    help="At most so many, the newest.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="All of them.")
@_json
def list_versions(model: str | None, limit: int, everything: bool, as_json: bool) -> None:
    """List registered versions, newest first, with where they stand."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        versions = opened.list_versions(model=model, limit=None if everything else limit)
        more = opened.count_versions(model=model) - len(versions)
    if as_json:
        print_json([version.model_dump(mode="json") for version in versions])
        return
    print_table(
        "",
        ("version", "digest", "state", "gate", "base", "registered (UTC)"),
        [
            (
                v.reference, v.digest[:12], v.state, "met" if v.gate_passed else "not met", v.base,
                f"{v.created_at:%Y-%m-%d %H:%M}",
            )
            for v in versions
        ],
    )  # fmt: skip
    if more:
        click.echo(f"{more} more; --all lists them")


@registry.command("show")
@click.argument("version")
@_json
def show_version(version: str, as_json: bool) -> None:
    """Show a registered VERSION: results, gate, files and events.

    VERSION is MODEL, MODEL:NUMBER or the beginning of a digest.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        detail = opened.show(version)
    if as_json:
        print_json(detail.model_dump(mode="json"))
        return
    click.echo(f"{detail.reference}  {detail.digest}\nstate: {detail.state}\n")
    print_table(
        "",
        ("suite", "measure", "metric", "base", "tuned", "difference", "verdict"),
        [
            (
                r.suite, r.title, r.metric, f"{r.base.value:.3f}", f"{r.tuned.value:.3f}",
                f"{r.difference.value:+.3f} [{r.difference.low:+.3f}, {r.difference.high:+.3f}]",
                r.verdict,
            )
            for r in detail.results
        ],
    )  # fmt: skip
    print_table(
        "",
        ("gate", "rule", "held"),
        [(v.gate, v.rule, "yes" if v.passed else "no") for v in detail.rules],
    )
    print_table(
        "",
        ("file", "bytes", "sha256"),
        [(a.path, f"{a.size_bytes:,}", a.digest[:12]) for a in detail.artefacts],
    )
    print_table(
        "",
        ("event", "when (UTC)", "who", "what"),
        [(str(e.sequence), f"{e.at:%Y-%m-%d %H:%M}", e.actor, e.kind) for e in detail.events],
    )
