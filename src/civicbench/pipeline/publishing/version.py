"""A registered version, laid out to be handed on."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from civicbench.cards.card import write_registered_card
from civicbench.core.errors import CivicbenchError, ExitCode
from civicbench.core.workspace import Workspace
from civicbench.models.trained import trained_folder
from civicbench.registry.evidence import Evidence
from civicbench.registry.registry import Registry
from civicbench.registry.versions import ChainHead, VersionDetail

APPROVED = frozenset({"approved", "approved with conditions", "live"})
"""States in which people have said that a version may be used."""
CARD_FOLDER = "card"


class NotApprovedError(CivicbenchError):
    """A version that nobody has approved, and that was to leave the house."""

    exit_code = ExitCode.WAITING_FOR_DECISION


@dataclass(frozen=True)
class OpenVersion:
    """A version whose files stand in a folder for as long as it is open.

    Attributes:
        shown: What the registry says of it.
        evidence: Its evidence.
        head: The end of the log now.
        folder: Its files under their own paths, and its card under `card/`.
    """

    shown: VersionDetail
    evidence: Evidence
    head: ChainHead
    folder: Path

    @property
    def trained(self) -> Path:
        """The folder with what training made: an adapter, or a whole model."""
        return self.folder / trained_folder(self.evidence.training.method)

    @property
    def approved(self) -> bool:
        """Whether people have said that it may be used."""
        return self.shown.state in APPROVED

    @property
    def facts(self) -> dict[str, str]:
        """What a foreign registry is told of it, as text by name."""
        evidence, shown = self.evidence, self.shown
        origin = evidence.trained_elsewhere
        facts = {
            "version": shown.reference,
            "digest": shown.digest,
            "state": shown.state,
            "gate": evidence.gate.gate,
            "gate_digest": evidence.gate.digest,
            "gate_passed": "yes" if evidence.gate.passed else "no",
            "chain_head": self.head.digest,
            "base": evidence.base.name,
            "base_weights_digest": evidence.base.weights_digest,
            "weights_digest": evidence.training.adapter_digest,
            "data_digest": evidence.training_data_digest,
            "licence": evidence.base.licence.identifier,
            "trained": "here" if origin is None else "elsewhere",
        }
        if evidence.gate.standing is not None:
            facts["gate_standing"] = evidence.gate.standing
        if evidence.base.licence.display is not None:
            facts["display"] = evidence.base.licence.display
        return facts


@contextmanager
def open_version(reference: str, *, workspace: Workspace) -> Iterator[OpenVersion]:
    """Lay a version out in a temporary folder, every file checked against its digest.

    Args:
        reference: The version.
        workspace: Where the registry is.

    Raises:
        InvalidInputError: Nothing has that name, or several have.
        IntegrityError: A file is missing from the store or was changed there.
    """
    with (
        Registry.open(workspace) as registry,
        tempfile.TemporaryDirectory() as temporary,
    ):
        shown = registry.show(reference)
        folder = registry.lay_out(shown.digest, folder=Path(temporary) / "version")
        evidence = registry.load_evidence(shown.digest)
        write_registered_card(registry, shown.digest, folder=folder / CARD_FOLDER)
        yield OpenVersion(shown, evidence, registry.head(), folder)


def require_approval(version: OpenVersion, *, unapproved: bool) -> None:
    """Refuse to hand on what nobody has approved, unless it was asked for.

    Raises:
        NotApprovedError: The version waits for a decision, was refused or withdrawn.
    """
    if version.approved or unapproved:
        return
    raise NotApprovedError(
        "nobody has approved this version, so it is not handed on",
        where=version.shown.reference,
        got=f"state {version.shown.state}",
        remedy="have it approved, or say --unapproved; the card names its state",
    )
