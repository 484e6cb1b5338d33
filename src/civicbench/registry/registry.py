"""The registry: versions with their evidence, registered once and never changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from civicbench.core.digests import canonical_json
from civicbench.core.errors import IntegrityError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry import rows
from civicbench.registry.anchors import Anchor, make_anchor
from civicbench.registry.bindings import (
    EVIDENCE_NAME,
    MEASUREMENTS_NAME,
    check_evidence,
    digest_sources,
    evidence_bytes,
    owners,
)
from civicbench.registry.chain import chain_head
from civicbench.registry.database import Database, initialise, open_registry, registry_exists
from civicbench.registry.decisions.desk import Desk
from civicbench.registry.decisions.history import HistoryFact, read_history
from civicbench.registry.decisions.log import Log
from civicbench.registry.decisions.proposals import Proposals
from civicbench.registry.engines import describe
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.laying_out import lay_out
from civicbench.registry.reading import (
    ResultPair,
    compare_results,
    count_versions,
    list_versions,
    live_version,
    read_events,
    show_version,
)
from civicbench.registry.references import resolve
from civicbench.registry.registration import insert_version
from civicbench.registry.signing.keys import PublicKey, Signer
from civicbench.registry.store import Store, open_store
from civicbench.registry.tables import (
    Version,
    VersionArtefact,
)
from civicbench.registry.verification import verify
from civicbench.registry.versions import (
    ChainHead,
    EventFact,
    Verification,
    VersionDetail,
    VersionSummary,
)

FactT = TypeVar("FactT", bound=BaseModel)


class Registry:
    """An open registry: a database that says what is known, a store that holds the files.

    Args:
        database: From `open_registry`.
        store: Where the files stand.

    Attributes:
        log: Entries of kinds that have no rows of their own: waivers, gates written down, records.
        desk: Where people act: people, keys, reviews, decisions, releases.
        proposals: Acts on versions to bring to the desk, and where versions stand.
    """

    def __init__(self, database: Database, *, store: Store) -> None:
        self._database = database
        self._store = store
        self.log = Log(database)
        self.desk = Desk(database, store=store)
        self.proposals = Proposals(database, store=store)

    @classmethod
    def open(cls, workspace: Workspace) -> "Registry":
        """Open a workspace's registry.

        Raises:
            PartAbsentError: There is none yet.
            IntegrityError: It is of another release, or no registry.
        """
        return cls(open_registry(workspace.registry_url), store=open_store(workspace))

    @classmethod
    def open_or_initialise(cls, workspace: Workspace, *, reporter: Reporter) -> "Registry":
        """Open a workspace's registry, making it where there is none; raises what `open` raises.

        An older one is not upgraded by this: that is a step a person takes.
        """
        if not registry_exists(workspace.registry_url):
            lock = workspace.locks / "registry.lock"
            initialise(workspace.registry_url, lock=lock, reporter=reporter)
        return cls.open(workspace)

    @property
    def address(self) -> str:
        """Where the database is, for people; without a password."""
        return describe(self._database.engine.url)

    @property
    def database(self) -> Database:
        """The open database, for the logs that stand in it."""
        return self._database

    def live_version(self, model: str) -> VersionSummary | None:
        """Return the version of a model that is live, or None."""
        with self._database.read() as session, rows.rows_explained(model):
            return live_version(session, model=model)

    def close(self) -> None:
        """Close the database's connections."""
        self._database.close()

    def __enter__(self) -> "Registry":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def register(
        self, evidence: Evidence, *, measurements: Measurements, files: Mapping[str, Path]
    ) -> VersionSummary:
        """Register a version, or find it registered: its digest is its name.

        The files are in the store before one transaction names them, so that a killed process
        leaves either the whole version or, at most, files that no version names.

        Args:
            evidence: All that is known of the version.
            measurements: What was measured on the way; kept from the first registration.
            files: Where each file stands now, by its path within the version; under `adapter/`
                (`model/` for a fully trained model) exactly what training made.

        Raises:
            InvalidInputError: A model name, path or value that cannot be kept.
            IntegrityError: Evidence and files do not belong together, or a stored file changed.
            PartAbsentError: A file is missing, or store or database may not be written.
            DiskFullError: No space; the version is not registered.
            RegistryBusyError: Another process held the database for too long.
        """
        content = evidence_bytes(evidence)
        check_evidence(evidence)
        digests = digest_sources(files, evidence=evidence)
        known = self._artefacts(evidence.digest)
        if known:
            digests = {
                path: digest for path, digest in digests.items() if known.get(path) == digest
            }
        for path, digest in digests.items():
            if self._store.put(files[path]) != digest:
                raise IntegrityError("changed while it was registered", where=str(files[path]))
        digests[EVIDENCE_NAME] = self._store.put_bytes(content)
        if not known:
            text = canonical_json(measurements.model_dump(mode="json"))
            digests[MEASUREMENTS_NAME] = self._store.put_bytes(text.encode("utf-8"))
        with self._database.write() as session:
            version = session.get(Version, evidence.digest)
            if version is None:
                version = insert_version(
                    session,
                    evidence=evidence,
                    digests=digests,
                    store=self._store,
                    trained_by=owners(files, evidence=evidence),
                )
            return rows.to_summary(version)

    def find(self, digest: str) -> VersionSummary | None:
        """Return the version of exactly that digest, or None where it is not registered."""
        with self._database.read() as session, rows.rows_explained(digest):
            version = session.get(Version, digest)
            return rows.to_summary(version) if version else None

    def list_versions(
        self, *, model: str | None = None, limit: int | None = None
    ) -> tuple[VersionSummary, ...]:
        """Return versions, newest first.

        Args:
            model: Only this model's; None for all.
            limit: At most so many; None for all.

        Raises:
            InvalidInputError: There is no such model, with the nearest that is.
        """
        with self._database.read() as session, rows.rows_explained("versions"):
            return list_versions(session, model=model, limit=limit)

    def count_versions(self, *, model: str | None = None) -> int:
        """Return how many versions there are, of one model or of all."""
        with self._database.read() as session:
            return count_versions(session, model=model)

    def show(self, reference: str) -> VersionDetail:
        """Return all that the database knows of one version.

        Args:
            reference: At least 6 characters of its digest, `MODEL` (its newest version),
                `MODEL:NUMBER`, `MODEL@live` or `MODEL@candidate`.

        Raises:
            InvalidInputError: Nothing has that name, or several have.
        """
        with self._database.read() as session, rows.rows_explained(reference):
            return show_version(session, reference=reference)

    def compare(self, reference: str, other: str) -> tuple[ResultPair, ...]:
        """Return the stored results of two versions side by side, by suite, task and metric."""
        with self._database.read() as session, rows.rows_explained(reference):
            return compare_results(session, reference=reference, other=other)

    def load_evidence(self, reference: str) -> Evidence:
        """Return a version's evidence, its bytes checked; raises what `artefact_paths` raises."""
        return self._load(reference, name=EVIDENCE_NAME, kind=Evidence)

    def load_measurements(self, reference: str) -> Measurements:
        """Return what was measured at a version's first registration, its bytes checked."""
        return self._load(reference, name=MEASUREMENTS_NAME, kind=Measurements)

    def artefact_paths(self, reference: str) -> dict[str, Path]:
        """Return where each file of a version stands in the store, by its path, bytes checked.

        Raises:
            InvalidInputError: The reference names no version, or several.
            IntegrityError: A file is missing from the store or was changed there.
        """
        digests = self._artefacts(self._resolve(reference))
        return {path: self._store.get(digest) for path, digest in digests.items()}

    def lay_out(self, reference: str, *, folder: Path) -> Path:
        """Copy a version's files into a folder; raises what `laying_out.lay_out` raises."""
        digests = self._artefacts(self._resolve(reference))
        return lay_out(digests, store=self._store, folder=folder)

    def head(self) -> ChainHead:
        """Return the end of the event log, to be kept elsewhere."""
        with self._database.read() as session:
            return chain_head(session)

    def events(self) -> tuple[EventFact, ...]:
        """Return the whole event log, oldest first."""
        with self._database.read() as session, rows.rows_explained("events"):
            return read_events(session)

    def history(self, reference: str | None = None) -> tuple[HistoryFact, ...]:
        """Return what happened to a version, or in the whole registry, oldest first."""
        with self._database.read() as session:
            return read_history(session, reference=reference)

    def anchor(self, *, signer: Signer) -> Anchor:
        """Return a signed checkpoint of the log's end, to be kept elsewhere."""
        return make_anchor(self.head(), signer=signer)

    def verify(
        self, *, anchors: Sequence[Anchor] = (), trusted: Sequence[PublicKey] = ()
    ) -> Verification:
        """Check chain, database, store and signatures against each other, and against anchors.

        Args:
            anchors: Signed checkpoints that were kept elsewhere.
            trusted: Public keys, kept elsewhere too, with which those may be signed; without one,
                the registry's own keys are taken, which whoever rewrote it could have changed.

        Raises:
            IntegrityError: With each thing that was changed, is missing, or was added.
        """
        return verify(self._database, store=self._store, anchors=anchors, trusted=trusted)

    def _resolve(self, reference: str) -> str:
        with self._database.read() as session:
            return resolve(session, reference=reference).digest

    def _artefacts(self, version: str) -> dict[str, str]:
        query = select(VersionArtefact).where(VersionArtefact.version == version)
        with self._database.read() as session:
            found = session.scalars(query.order_by(VersionArtefact.path))
            return {artefact.path: artefact.digest for artefact in found}

    def _load(self, reference: str, *, name: str, kind: type[FactT]) -> FactT:
        digest = self._artefacts(self._resolve(reference))[name]
        try:
            return kind.model_validate_json(self._store.get(digest).read_bytes())
        except ValidationError as error:
            raise IntegrityError(
                "was written by another release of Civicbench",
                where=f"{name} of {reference}",
                got=str(error.errors(include_url=False)[0]["loc"]),
                remedy="use the release that registered the version",
            ) from None
