"""Commands that answer what stands, what stood, and who decided it."""

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_json, print_table, printable
from civicbench.cli.versions import registry

if TYPE_CHECKING:
    from civicbench.registry.decisions.facts import Standing
    from civicbench.registry.registry import Registry

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 1.0, 30.0


@registry.command("status")
@click.argument("version")
@_json
def show_status(version: str, as_json: bool) -> None:
    """Say where VERSION stands: done, gate failed, or waiting for a person.

    Exits with 0 where its approval applies, with 4 where somebody has to decide or release, and
    with 3 where its gate is not met, it was refused or withdrawn, or its approval applies no more.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        standing, why_not = _standing(opened, version)
    if as_json:
        print_json(
            standing.model_dump(mode="json")
            | {"applies": standing.approved and not why_not, "why_not": list(why_not)}
        )
    else:
        _print_standing(standing, why_not)
    _leave(standing, why_not, wanted="approved")


@registry.command("wait-for")
@click.argument("version")
@click.option(
    "--state", "wanted", type=click.Choice(("approved", "live")), default="approved",
    show_default=True, help="What to wait for.",
)  # fmt: skip
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), default=0.0, show_default=True,
    help="How long to wait, in seconds; 0 looks once.",
)  # fmt: skip
def wait_for_decision(version: str, wanted: str, timeout_s: float) -> None:
    """Wait until people have decided on VERSION, for scripts, CI and Slurm chains.

    Exits with 0 when it is approved (or live) and the approval applies, with 4 when the time is
    over and somebody still has to decide, and with 3 when no decision can make it so any more.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    end = time.monotonic() + timeout_s
    pause_s = _SHORTEST_WAIT_S
    with Registry.open(Workspace.locate()) as opened:
        digest = opened.show(version).digest  # a name could mean another version tomorrow
        while True:
            standing, why_not = _standing(opened, digest)
            left_s = end - time.monotonic()
            if _settled(standing, why_not, wanted=wanted) or left_s <= 0:
                break
            time.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, _LONGEST_WAIT_S)
    click.echo(f"{standing.reference} is {standing.state}")
    _leave(standing, why_not, wanted=wanted)


def _standing(opened: "Registry", version: str) -> "tuple[Standing, tuple[str, ...]]":
    from civicbench.pipeline.deciding import project_differences

    standing = opened.proposals.standing(version)
    differs = project_differences(opened, standing.version) if standing.approved else ()
    return standing, (*standing.why_not, *differs)


def _done(standing: "Standing", why_not: tuple[str, ...], *, wanted: str) -> bool:
    return (
        standing.approved and not why_not and (wanted == "approved" or "live" in standing.aliases)
    )


def _lost(standing: "Standing", why_not: tuple[str, ...]) -> bool:
    ended = standing.state in ("refused", "withdrawn")
    return bool(ended or standing.gate_missed or (standing.approved and why_not))


def _settled(standing: "Standing", why_not: tuple[str, ...], *, wanted: str) -> bool:
    return _done(standing, why_not, wanted=wanted) or _lost(standing, why_not)


def _leave(standing: "Standing", why_not: tuple[str, ...], *, wanted: str) -> None:
    from civicbench.core.errors import DecisionAwaitedError, GateFailedError

    if _done(standing, why_not, wanted=wanted):
        return
    if _lost(standing, why_not):
        missed = [f"its gate is not met: {', '.join(standing.gate_missed)}"]
        why = "; ".join([*(missed if standing.gate_missed else []), *why_not])
        raise GateFailedError(f"{standing.reference} cannot be used", got=why)
    raise DecisionAwaitedError(
        f"{standing.reference} waits for {standing.waiting_for or 'a release'}",
        got=f"state: {standing.state}",
    )


def _print_standing(standing: "Standing", why_not: tuple[str, ...]) -> None:
    missed = f"not met: {', '.join(standing.gate_missed)}" if standing.gate_missed else "met"
    lines = [
        ("Version", f"{standing.reference} ({standing.version[:12]})"),
        ("State", standing.state),
        ("Aliases", ", ".join(standing.aliases) or "none"),
        ("Gate", f"{standing.gate}: {missed}"),
        (
            "Made by",
            "; ".join(f"{m.did} by {m.person or '?'} ({m.account})" for m in standing.makers),
        ),
        ("Approval", "applies" if standing.approved and not why_not else "does not apply"),
        *(("", printable(reason)) for reason in why_not),
        ("Waits for", standing.waiting_for or "nobody"),
    ]
    print_table("", ("", ""), lines)
    review = standing.review
    if review is not None:
        print_table(
            "",
            ("when (UTC)", "who", "role", "decided", "why", "conditions", "until"),
            [
                (
                    f"{d.at:%Y-%m-%d %H:%M}", d.full_name, d.role, d.outcome, printable(d.reason),
                    printable("; ".join(f"{c.text} [{c.scope}]" for c in d.conditions)),
                    f"{d.expires_at:%Y-%m-%d}" if d.expires_at else "",
                )
                for d in review.decisions
            ],
        )  # fmt: skip


@registry.command("history")
@click.argument("version", required=False)
@_json
def show_history(version: str | None, as_json: bool) -> None:
    """Show what happened to VERSION, or in the whole registry, oldest first."""
    from civicbench.core.workspace import Workspace
    from civicbench.registry.registry import Registry

    with Registry.open(Workspace.locate()) as opened:
        events = opened.history(version)
    if as_json:
        print_json([event.model_dump(mode="json") for event in events])
        return
    print_table(
        "",
        ("event", "when (UTC)", "who", "what", "to", "told"),
        [
            (
                str(e.sequence), f"{e.at:%Y-%m-%d %H:%M:%S}", e.actor, e.kind, e.subject[:12],
                printable(e.told),
            )
            for e in events
        ],
    )  # fmt: skip


@registry.command("ask")
@click.option(
    "--live-on", "day", required=True, type=click.DateTime(formats=["%Y-%m-%d"]),
    help="The day, as YYYY-MM-DD (UTC).",
)  # fmt: skip
@click.option("--model", help="Only this model.")
@click.option(
    "--to", "page", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write the answer as one HTML page too.",
)  # fmt: skip
@_json
def ask_registry(day: datetime, model: str | None, page: Path | None, as_json: bool) -> None:
    """Answer which version was live on a day, who approved it, and on what evidence.

    The answer names every version that was live at any moment of that day.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.answering import answer_live_on, write_answer

    answer = answer_live_on(day.date(), model=model, workspace=Workspace.locate())
    if page is not None:
        write_answer(answer, page)
    if as_json:
        print_json(answer.fact.model_dump(mode="json"))
        return
    click.echo(printable(answer.text))
    if page is not None:
        click.echo(f"Page: {page}")
