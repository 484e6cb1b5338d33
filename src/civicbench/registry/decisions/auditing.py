"""Reading the log again from its beginning: signatures, roles, separation of duties, states.

What the triggers held when an entry was written is held here against whoever could get past them.
"""

from collections.abc import Iterator

from pydantic import ValidationError

from civicbench.core.errors import IntegrityError
from civicbench.registry.chain import FIRST_PREVIOUS
from civicbench.registry.decisions.kinds import (
    ACTS,
    DECIDED,
    KEY_ADDED,
    KEY_RETIRED,
    OWN_NAMES,
    REGISTERED_NAME,
    RELEASED,
    SUBMITTED,
    Decided,
)
from civicbench.registry.decisions.projection import Grants, project
from civicbench.registry.decisions.statements import EntryDetail, Transition
from civicbench.registry.decisions.tables import (
    Account,
    Decision,
    Key,
    KeyRetirement,
    Review,
    TransitionRow,
    VersionMaker,
)
from civicbench.registry.signing.envelope import STATEMENT_TYPE
from civicbench.registry.signing.keys import PublicKey
from civicbench.registry.tables import Event, Table
from civicbench.registry.versions import RegistrationDetail

_OWNER = "senior-responsible-owner"
_PEOPLE_KINDS = {"person added", "person changed", KEY_ADDED.name, KEY_RETIRED.name}


class Audit:
    """What the log says, as far as it was read.

    Attributes:
        rows: Every row that has to stand, in order.
        states: The state of each version.
    """

    def __init__(self) -> None:
        self.rows: list[Table] = []
        self.states: dict[str, str] = {}
        self._grants = Grants()
        self._keys: dict[str, Key] = {}
        self._retired: set[str] = set()
        self._accounts: dict[str, str] = {}
        self._makers: dict[str, set[str]] = {}
        self._reviews: dict[int, tuple[Review, str]] = {}
        self._decided: dict[int, list[str]] = {}
        self._heads = {FIRST_PREVIOUS}

    def read(self, event: Event) -> Iterator[str]:
        """Read one event and yield what is wrong with it.

        Args:
            event: The event after the last one that was read.
        """
        called = f"event {event.sequence} ({event.kind})"
        try:
            yield from (f"changed: {called}: {problem}" for problem in self._check(event))
            rows = project(event, grants=self._grants)
        except (ValidationError, ValueError):
            yield f"changed: {called} does not hold what its kind says"
            return
        finally:
            self._heads.add(event.digest)
        self.rows += rows
        for row in rows:
            self._learn(row, event)
        if event.kind == REGISTERED_NAME:
            detail = RegistrationDetail.model_validate_json(event.detail)
            self.states.setdefault(event.subject, detail.state)

    def _check(self, event: Event) -> Iterator[str]:
        if event.kind == REGISTERED_NAME:
            return
        detail = EntryDetail.model_validate_json(event.detail)
        yield from self._signature(event, detail)
        if event.kind == DECIDED.name:
            yield from self._decision(detail)
        yield from self._steps(event, detail)
        if detail.moves and event.kind not in (RELEASED.name, "version withdrawn"):
            yield "an alias moved without a release"

    def _signature(self, event: Event, detail: EntryDetail) -> Iterator[str]:
        statement, proof = detail.statement, detail.proof
        if statement is None or proof is None:
            if event.kind in _PEOPLE_KINDS:
                if self._stewarded():
                    yield "people were changed without a senior responsible owner's signature"
            elif event.kind in OWN_NAMES:
                yield "is not signed"
            return
        if (statement.kind, statement.subject, statement.person) != (
            event.kind,
            event.subject,
            event.actor,
        ):
            yield "the statement is about something else"
        if statement.head not in self._heads:
            yield "the statement was signed in another registry"
        key = self._keys.get(proof.key)
        if key is None or key.person != statement.person:
            yield f"the key is not {statement.person}'s"
            return
        if proof.key in self._retired:
            yield "the key was retired before"
        try:
            PublicKey(bytes.fromhex(key.public_key)).check(
                STATEMENT_TYPE, statement.text.encode("utf-8"), proof=proof
            )
        except IntegrityError:
            yield "the signature is not over this statement"
        if statement.role == "self":
            if event.kind not in (KEY_ADDED.name, KEY_RETIRED.name):
                yield "no role was named"
        elif (statement.person, statement.role) not in self._grants.held:
            yield f"{statement.person} did not hold the role {statement.role}"
        if event.kind in ACTS and statement.role not in (*ACTS[event.kind].roles, "self"):
            yield f"the role {statement.role} does not do this"

    def _decision(self, detail: EntryDetail) -> Iterator[str]:
        told = Decided.model_validate(detail.told)
        person = detail.statement.person if detail.statement else ""
        review, submitter = self._reviews.get(told.review, (None, ""))
        if review is None or review.version != told.version:
            yield "there was no such review"
        made = {self._accounts.get(name) for name in self._makers.get(told.version, ())}
        if person in made or person == submitter:
            yield f"{person} made or submitted what was decided on"
        if told.binding.evidence != told.version:
            yield "was signed over other evidence"

    def _steps(self, event: Event, detail: EntryDetail) -> Iterator[str]:
        for step in detail.transitions:
            if self.states.get(step.version) != step.from_state:
                yield f"a version was not {step.from_state} then"
            if step.to_state.startswith("approved"):
                yield from self._approval(event, detail, step)
            if step.to_state == "live" and event.kind != RELEASED.name:
                yield "a version went live without a release"
            if step.to_state == "in review" and event.kind != SUBMITTED.name:
                yield "a version came into review without being submitted"

    def _approval(self, event: Event, detail: EntryDetail, step: Transition) -> Iterator[str]:
        if event.kind != DECIDED.name:
            yield "a version was approved without a decision"
            return
        told = Decided.model_validate(detail.told)
        review, _ = self._reviews.get(told.review, (None, ""))
        approvals = [one for one in self._decided.get(told.review, ()) if one != "refuse"]
        if told.version != step.version or (
            review is not None and len(approvals) + 1 < review.reviewers
        ):
            yield "a version was approved by fewer people than its gate asks for"

    def _stewarded(self) -> bool:
        return any(
            role == _OWNER
            and any(
                key.person == person and name not in self._retired
                for name, key in self._keys.items()
            )
            for person, role in self._grants.held
        )

    def _learn(self, row: Table, event: Event) -> None:
        match row:
            case Key():
                self._keys[row.id] = row
            case KeyRetirement():
                self._retired.add(row.key)
            case Account():
                self._accounts[row.account] = row.person
            case VersionMaker():
                self._makers.setdefault(row.version, set()).add(row.account)
            case Review():
                self._reviews[row.sequence] = (row, event.actor)
            case Decision():
                self._decided.setdefault(row.review, []).append(row.outcome)
            case TransitionRow():
                self.states[row.version] = row.to_state
