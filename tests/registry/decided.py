"""People with keys in a registry, for tests of what they do there."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from civicbench.core.digests import digest_text
from civicbench.registry.decisions.kinds import PersonAdded
from civicbench.registry.decisions.people import enrolment
from civicbench.registry.decisions.statements import Role
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey

CAST: dict[str, Role] = {
    "olwen": "senior-responsible-owner",
    "ada": "engineer",
    "eve": "evaluator",
    "rhian": "reviewer",
    "rob": "reviewer",
    "audrey": "auditor",
}


def key_of(person: str) -> PersonKey:
    """A key that is the same in every run."""
    seed = bytes.fromhex(digest_text(f"a test's key of {person}"))
    return PersonKey(person, Ed25519PrivateKey.from_private_bytes(seed))


def enrol(registry: Registry, *, account: str = "somebody") -> dict[str, PersonKey]:
    """Add everybody, the owner last: from then on changes of people have to be signed."""
    for name, role in reversed(CAST.items()):
        accounts = (account,) if name == "ada" else ()
        person = PersonAdded(name=name, full_name=name.title(), accounts=accounts, roles=(role,))
        registry.desk.do(person, signer=None)
    keys = {name: key_of(name) for name in CAST}
    for name in reversed(CAST):
        registry.desk.do(enrolment(keys[name]), signer=None)
    return keys


def decide(registry: Registry, reference: str, *, keys: dict[str, PersonKey]) -> None:
    """Take a version from evaluated to live, with as many approvals as its gate asks for."""
    registry.desk.do(
        registry.proposals.submission(reference, note="Please look."), signer=keys["eve"]
    )
    for reviewer in ("rhian", "rob"):
        if registry.proposals.standing(reference).state == "in review":
            told = registry.proposals.decision(reference, outcome="approve", reason="It is fit.")
            registry.desk.do(told, signer=keys[reviewer])
    told = registry.proposals.release(reference, alias="live", reason="To be used from now on.")
    registry.desk.do(told, signer=keys["olwen"])
