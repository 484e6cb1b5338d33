"""Gates beside the registry: which were written down, and judging a version again."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.database import registry_exists
from civicbench.registry.gate_files import gate_digest, list_gates, load_gate
from civicbench.registry.gates import AnyRule, GateVerdict, judge
from civicbench.registry.grounds import Grounds, noise_of
from civicbench.registry.preregistration import GateLog, GateRegistration
from civicbench.registry.registry import Registry


class StandingGate(BaseModel):
    """A gate of the catalogue, with its last registration."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """Its name."""
    title: str
    """Its name for people."""
    reviewers: int
    """How many people have to approve."""
    rules: tuple[AnyRule, ...]
    """Its rules."""
    digest: str
    """Digest of its settings."""
    registered_at: datetime | None
    """When exactly these settings were first registered; None where they never were."""


@dataclass(frozen=True)
class Checked:
    """A version judged again.

    Attributes:
        reference: MODEL:NUMBER.
        verdict: What the gate finds now, with the standing that the version was registered with.
        differs: Where that is not what the version was registered with.
    """

    reference: str
    verdict: GateVerdict
    differs: tuple[str, ...]


def list_standing_gates() -> list[StandingGate]:
    """Return every gate, by name, with its last registration."""
    first: dict[str, datetime] = {}
    for one in registrations_of(None):
        first.setdefault(one.detail.digest, one.at)
    return [
        StandingGate(
            name=gate.name,
            title=gate.title,
            reviewers=gate.reviewers,
            rules=gate.rules,
            digest=gate_digest(gate),
            registered_at=first.get(gate_digest(gate)),
        )
        for gate in list_gates()
    ]


def registrations_of(name: str | None) -> tuple[GateRegistration, ...]:
    """Return a gate's registrations, oldest first, or those of all; none without a registry."""
    workspace = Workspace.locate()
    if not registry_exists(workspace.registry_url):
        return ()
    with Registry.open(workspace) as registry:
        return GateLog(registry).registrations(gate=name)


def register_by_hand(name: str, *, reporter: Reporter) -> GateRegistration:
    """Write a gate into the log as it stands now, making the registry where there is none.

    Raises:
        InvalidInputError: No such gate, or mistakes in its file.
    """
    gate = load_gate(name)
    with Registry.open_or_initialise(Workspace.locate(), reporter=reporter) as registry:
        return GateLog(registry).register(gate)


def check_version(reference: str, *, gate: str | None) -> Checked:
    """Judge a version's stored evidence again.

    Args:
        reference: The version.
        gate: The gate; None for the one that it was judged by.

    Raises:
        InvalidInputError: No such version or gate, or evidence of before its grounds were kept.
    """
    with Registry.open(Workspace.locate()) as registry:
        shown = registry.show(reference)
        evidence = registry.load_evidence(reference)
    chosen = load_gate(gate or evidence.gate.gate)
    if evidence.grounds is None and any(rule.kind != "measured" for rule in chosen.rules):
        raise InvalidInputError(
            "was registered by a release that kept too little to judge these rules",
            where=shown.reference,
            remedy="run its recipe again: nothing is trained anew",
        )
    digest = gate_digest(chosen)
    verdict = judge(
        chosen,
        evidence.comparisons,
        digest=digest,
        noise=noise_of(evidence.grounds or Grounds()),
        facts=evidence.facts,
    )
    was = evidence.gate
    differs = []
    if digest != was.digest:
        differs.append(f"the gate is {digest[:12]}, the version was judged by {was.digest[:12]}")
    before = {one.rule.name: one.outcome for one in was.rules}
    differs += [
        f"rule {one.rule.name}: {before[one.rule.name]} then, {one.outcome} now"
        for one in verdict.rules
        if one.rule.name in before and before[one.rule.name] != one.outcome
    ]
    # Another gate is a question asked afterwards, and claims to have been written down by nobody.
    standing = was.standing if chosen.name == was.gate else None
    if digest != was.digest and standing is not None:
        standing = "moved after results"
    return Checked(
        shown.reference,
        verdict.model_copy(
            update={
                "standing": standing,
                "registered_digest": (was.registered_digest or was.digest)
                if standing == "moved after results"
                else None,
            }
        ),
        tuple(differs),
    )
