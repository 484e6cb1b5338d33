"""Commands on gates: what a version must show, and when its rules were written down."""

from typing import TYPE_CHECKING, Any

import click

from civicbench.cli.output import print_json, print_table, printable

if TYPE_CHECKING:
    from civicbench.registry.gates import AnyRule, GateVerdict
    from civicbench.registry.preregistration import GateRegistration

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def gates() -> None:
    """Gates: what a version must show before it can be released."""


@gates.command("list")
@_json
def list_gates(as_json: bool) -> None:
    """List every gate, and when it was last registered."""
    from civicbench.pipeline.gating import list_standing_gates

    found = list_standing_gates()
    if as_json:
        print_json([one.model_dump(mode="json") for one in found])
        return
    print_table(
        "",
        ("name", "title", "rules", "digest", "registered (UTC)"),
        [
            (
                one.name, one.title, str(len(one.rules)), one.digest[:12],
                f"{one.registered_at:%Y-%m-%d %H:%M}" if one.registered_at else "no",
            )
            for one in found
        ],
    )  # fmt: skip


@gates.command("show")
@click.argument("name")
@_json
def show_gate(name: str, as_json: bool) -> None:
    """Show the gate NAME: its rules, each with its reason, and its registrations."""
    from civicbench.pipeline.gating import registrations_of
    from civicbench.registry.gate_files import gate_digest, load_gate

    gate = load_gate(name)
    registrations = registrations_of(gate.name)
    digest = gate_digest(gate)
    if as_json:
        print_json(
            {
                **gate.model_dump(mode="json"),
                "rules": [_as_written(rule) for rule in gate.rules],
                "reviewers": gate.reviewers,
                "digest": digest,
                "registrations": [one.model_dump(mode="json") for one in registrations],
            }
        )
        return
    click.echo(f"{gate.name}: {gate.title}\ndigest: {digest}\nreviewers: {gate.reviewers}\n")
    print_table(
        "",
        ("rule", "kind", "settings", "reason"),
        [(rule.name, rule.kind, _settings(rule), rule.reason) for rule in gate.rules],
    )
    _print_registrations(registrations, digest=digest)


@gates.command("register")
@click.argument("name")
@_json
def register_gate(name: str, as_json: bool) -> None:
    """Write the gate NAME into the registry's log, as it stands now.

    `run` and `train` do so by themselves before training starts. By hand it fixes the rules
    earlier, such as when they are agreed; several trainings can then be judged by them.
    """
    from civicbench.core.progress import Reporter
    from civicbench.pipeline.gating import register_by_hand

    made = register_by_hand(name, reporter=Reporter())
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    click.echo(f"{made.detail.gate} ({made.detail.digest[:12]}): event {made.sequence}")


@gates.command("check")
@click.argument("version")
@click.option("--gate", "name", help="Another gate than the one the version was judged by.")
@_json
def check_gate(version: str, name: str | None, as_json: bool) -> None:
    """Judge a registered VERSION's evidence again by its gate, as the file stands now.

    Nothing is registered or changed. Says where the verdict or the gate differs from what the
    version was registered with. Exits with 3 where the gate is not met.
    """
    from civicbench.core.errors import GateFailedError
    from civicbench.pipeline.gating import check_version

    checked = check_version(version, gate=name)
    if as_json:
        print_json(
            {
                "version": checked.reference,
                "verdict": checked.verdict.model_dump(mode="json")
                | {"passed": checked.verdict.passed},
                "differs": list(checked.differs),
            }
        )
    else:
        print_gate(checked.verdict)
        for line in checked.differs:
            click.echo(f"differs: {line}")
    if not checked.verdict.passed:
        raise GateFailedError(
            "the gate is not met", where=f"{checked.reference}, gate {checked.verdict.gate}",
            got=", ".join(checked.verdict.unmet),
        )  # fmt: skip


def print_gate(gate: "GateVerdict") -> None:
    """Print whether a gate is met, since when it stands, and each rule that has things to say."""
    met = "met" if gate.passed else "NOT met"
    standing = f", {gate.standing}" if gate.standing else ""
    click.echo(f"Gate {gate.gate}: {met}{standing}")
    if gate.moved:
        click.echo(
            f"  the rules were changed after training; registered before: {gate.registered_digest}"
        )
    rows = []
    for verdict in gate.rules:
        if verdict.passed and not verdict.checks:
            continue
        rows.append((verdict.rule.name, "", verdict.note, verdict.outcome))
        rows += [
            ("", printable(check.asked), printable(check.found), check.outcome)
            for check in verdict.checks
        ]
    if rows:
        print_table("", ("rule", "asked", "found", "outcome"), rows)


def _as_written(rule: "AnyRule") -> dict[str, Any]:
    """Return a rule with its kind, which measured ones leave out of their digest."""
    return {"kind": rule.kind, **rule.model_dump(mode="json")}


def _settings(rule: "AnyRule") -> str:
    shown = rule.model_dump(
        mode="json", exclude={"name", "reason", "kind"}, exclude_none=True, exclude_defaults=True
    )
    return ", ".join(
        f"{key}: {', '.join(value) if isinstance(value, list) else value}"
        for key, value in shown.items()
    )


def _print_registrations(registrations: "tuple[GateRegistration, ...]", *, digest: str) -> None:
    if not registrations:
        click.echo("registered: never")
        return
    print_table(
        "",
        ("event", "registered (UTC)", "who", "digest", "before training of", "as the file is"),
        [
            (
                str(one.sequence), f"{one.at:%Y-%m-%d %H:%M}", one.actor, one.detail.digest[:12],
                one.detail.recipe or "(by hand)",
                "yes" if one.detail.digest == digest else "no",
            )
            for one in registrations
        ],
    )  # fmt: skip
