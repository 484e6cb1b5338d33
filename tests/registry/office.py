"""An office around a registry: people with keys, and what they do, for tests."""

from pathlib import Path

from tests.registry.factory import make_evidence, make_files

from civicbench.registry.chain import current_actor
from civicbench.registry.decisions.kinds import Alias, Outcome, PersonAdded
from civicbench.registry.decisions.people import enrolment
from civicbench.registry.decisions.statements import Role
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey
from civicbench.registry.versions import EventFact, VersionSummary

STAFF: dict[str, tuple[Role, ...]] = {
    "sam": ("senior-responsible-owner",),
    "eve": ("engineer", "reviewer"),
    "rob": ("reviewer",),
    "rita": ("reviewer",),
    "una": ("evaluator",),
    "ada": ("auditor",),
}
"""Everybody with their roles; eve holds the account under which the tests run."""


class Office:
    """People who are known to a registry, each with an enrolled key.

    Args:
        registry: An open registry.
        folder: Where files of versions are written.
    """

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.registry = registry
        self.folder = folder
        self.keys: dict[str, PersonKey] = {}
        for name, roles in STAFF.items():
            accounts = (current_actor(),) if name == "eve" else ()
            added = PersonAdded(
                name=name, full_name=f"{name.title()} Example", accounts=accounts, roles=roles
            )
            steward = self.keys.get("sam")
            registry.desk.do(added, signer=steward)
            self.keys[name] = PersonKey.generate(name)
            registry.desk.do(enrolment(self.keys[name]), signer=steward)

    def register(
        self, seed: int = 0, *, model: str = "m", reviewers: int = 1, gate_passes: bool = True
    ) -> VersionSummary:
        evidence, measurements = make_evidence(
            seed, model_name=model, reviewers=reviewers, gate_passes=gate_passes
        )
        files = make_files(self.folder, seed=seed)
        return self.registry.register(evidence, measurements=measurements, files=files)

    def submit(self, reference: str, *, person: str = "eve") -> EventFact:
        return self.registry.desk.do(
            self.registry.proposals.submission(reference), signer=self.keys[person]
        )

    def decide(
        self, reference: str, outcome: Outcome = "approve", *, person: str = "rob"
    ) -> EventFact:
        told = self.registry.proposals.decision(reference, outcome=outcome, reason="I looked.")
        return self.registry.desk.do(told, signer=self.keys[person])

    def release(self, reference: str, *, alias: Alias = "live", person: str = "sam") -> EventFact:
        told = self.registry.proposals.release(reference, alias=alias, reason="It is ready.")
        return self.registry.desk.do(told, signer=self.keys[person])

    def withdraw(self, reference: str, *, person: str = "sam") -> EventFact:
        told = self.registry.proposals.withdrawal(reference, reason="It failed in use.")
        return self.registry.desk.do(told, signer=self.keys[person])

    def live(self, seed: int = 0, *, model: str = "m") -> VersionSummary:
        """Register a version and take it all the way."""
        version = self.register(seed, model=model)
        self.submit(version.reference)
        self.decide(version.reference)
        self.release(version.reference)
        return version
