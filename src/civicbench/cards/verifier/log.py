"""The log of events: every link, every signature, and what follows from them for one version.

The log names each key when it is enrolled, so its signatures are checked against the log itself;
whether a key is the person's is for the reader to know (`--key`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any

from civicbench.cards.verifier.ed25519 import ed25519_holds
from civicbench.cards.verifier.fault import FaultError, sound

LOG_NAME = "log/events.jsonl"
_STATEMENT_TYPE = "application/vnd.civicbench.statement.v1+json"
_CHECKPOINT_TYPE = "application/vnd.civicbench.checkpoint.v1+json"
_FIRST = "0" * 64
_FIELDS = {"sequence", "at", "actor", "kind", "subject", "detail", "previous", "digest"}
_OWNER = "senior-responsible-owner"
_ROLES = {
    "version submitted": ("engineer", "evaluator"),
    "reviewer assigned": ("engineer", "evaluator", _OWNER),
    "version decided": ("reviewer", _OWNER),
    "version released": (_OWNER,),
    "version withdrawn": ("reviewer", _OWNER),
    "atrs edited": ("engineer", "evaluator", "reviewer", _OWNER),
    "use policy waived": (_OWNER,),
}
"""Who may do what."""
_STEWARDED = ("person added", "person changed", "key added", "key retired")
"""What an owner has to sign as soon as there is one with a key; their own keys people sign too."""


def canonical(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")


def signing_bytes(payload_type: str, payload: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def decode_base64(text: Any) -> bytes:
    """Return bytes from base64, or nothing where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        return b""


class Signed:
    """A statement that somebody signed.

    Attributes:
        sequence: The event's place.
        at: When it was recorded.
        kind: What happened.
        subject: What it happened to.
        person: Who signed.
        role: In which role.
        key: Fingerprint of the key.
        payload: What was said.
        entry: Statement and proof as the log holds them.
    """

    def __init__(self, event: dict[str, Any], statement: dict[str, Any], proof: Any) -> None:
        self.sequence: int = event["sequence"]
        self.at: str = event["at"]
        self.kind: str = event["kind"]
        self.subject: str = event["subject"]
        self.person: str = statement["person"]
        self.role: str = statement["role"]
        self.key: str = proof["key"]
        self.payload: dict[str, Any] = statement["payload"]
        self.entry = {"proof": proof, "statement": statement}


class Log:
    """A log that was read from its first event to its last; all of it holds together.

    Args:
        content: The events, one a line.
        place: What the file is called, for faults.

    Raises:
        FaultError: With the first event that does not hold.
    """

    def __init__(self, content: bytes, place: str = LOG_NAME) -> None:
        self.place = place
        self.events: list[dict[str, Any]] = []
        self.digests: dict[str, int] = {}
        self.signed: list[Signed] = []
        self.keys: dict[str, tuple[str, bytes]] = {}
        self.retired: set[str] = set()
        self.roles: set[tuple[str, str]] = set()
        self.accounts: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.makers: dict[str, set[str]] = {}
        self.registrations: dict[str, dict[str, Any]] = {}
        self.live: dict[str, str | None] = {}
        self.steps: dict[int, list[tuple[str, str]]] = {}
        previous = _FIRST
        for number, line in enumerate(content.splitlines(), start=1):
            event = self._link(line, number, previous)
            previous = event["digest"]
            self.events.append(event)
            self.digests[previous] = number
            try:
                self._replay(event)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise FaultError(place, f"event {number} does not say what its kind says") from None
        self.head = previous

    def key_of(self, fingerprint: str) -> bytes:
        """Return the key of a fingerprint, or nothing where the log enrolled none such."""
        return self.keys.get(fingerprint, ("", b""))[1]

    def read_anchor(self, content: bytes, place: str) -> str:
        """Return the head that a checkpoint names, after checking that a key of the log signed it.

        Args:
            content: The checkpoint's file, as `civicbench registry anchor` writes it.
            place: What it is called, for faults.
        """
        with sound(place):
            envelope = json.loads(content)
            payload = decode_base64(envelope["payload"])
            signature = envelope["signatures"][0]
            head = str(json.loads(payload)["digest"])
            message = signing_bytes(_CHECKPOINT_TYPE, payload)
            if envelope["payloadType"] != _CHECKPOINT_TYPE or not ed25519_holds(
                self.key_of(signature["keyid"]), decode_base64(signature["sig"]), message
            ):
                raise FaultError(place, "is not signed by a key that the log knows")
        return head

    def _link(self, line: bytes, number: int, previous: str) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except ValueError:
            raise FaultError(self.place, f"line {number} is not JSON") from None
        if not isinstance(event, dict) or set(event) != _FIELDS or canonical(event) != line:
            raise FaultError(self.place, f"line {number} is no event as the registry writes it")
        if event["sequence"] != number:
            raise FaultError(self.place, f"event {number} is missing or out of its order")
        if event["previous"] != previous:
            raise FaultError(self.place, f"event {number} does not follow from the one before it")
        body = {key: value for key, value in event.items() if key != "digest"}
        if hashlib.sha256(canonical(body)).hexdigest() != event["digest"]:
            raise FaultError(self.place, f"event {number} was changed")
        return event

    def _replay(self, event: dict[str, Any]) -> None:
        detail = json.loads(event["detail"])
        kind, subject = event["kind"], event["subject"]
        if kind == "version registered":
            self._register(event, detail)
            return
        signed = self._check_signature(event, detail)
        self._check_right(event, detail, signed)
        told = signed.payload if signed else detail.get("payload", {})
        if kind == "person added":
            self._gain(told["name"], told["roles"], told["accounts"])
        elif kind == "person changed":
            self.roles -= {(told["name"], role) for role in told.get("withdraw", [])}
            self._gain(told["name"], told.get("grant", []), told.get("accounts", []))
        elif kind == "key added":
            content = bytes.fromhex(told["public_key"])
            self.keys[hashlib.sha256(content).hexdigest()] = (told["person"], content)
        elif kind == "key retired":
            self.retired.add(told["key"])
        for step in detail.get("transitions", []):
            if self.states.get(step["version"]) != step["from_state"]:
                raise FaultError(
                    self.place, f"event {event['sequence']} takes a step that its version cannot"
                )
            self.states[step["version"]] = step["to_state"]
            self.steps.setdefault(event["sequence"], []).append((step["version"], step["to_state"]))
        for move in detail.get("moves", []):
            if move["alias"] == "live":
                self.live[move["model"]] = move["version"]
        if signed:
            if kind.startswith("version ") and told.get("version", subject) != subject:
                raise FaultError(
                    self.place, f"event {event['sequence']} is signed for another version"
                )
            self.signed.append(signed)

    def _register(self, event: dict[str, Any], detail: dict[str, Any]) -> None:
        version = event["subject"]
        if version in self.registrations:
            raise FaultError(self.place, f"event {event['sequence']} registers a version again")
        self.registrations[version] = detail
        self.states[version] = detail["state"]
        self.makers[version] = {event["actor"], *detail.get("trained_by", [])}
        for draft in detail.get("supersedes", []):
            self.states[draft] = "superseded"

    def _gain(self, person: str, roles: list[str], accounts: list[str]) -> None:
        self.roles |= {(person, role) for role in roles}
        self.accounts.update(dict.fromkeys(accounts, person))

    def _check_right(
        self, event: dict[str, Any], detail: dict[str, Any], signed: Signed | None
    ) -> None:
        kind, role = event["kind"], signed.role if signed else ""
        owned = any(
            (person, _OWNER) in self.roles and key not in self.retired
            for key, (person, _) in self.keys.items()
        )
        own_key = False
        if signed and role == "self" and kind == "key added":
            own_key = signed.payload["person"] == signed.person
        if signed and role == "self" and kind == "key retired":
            own_key = self.keys[signed.payload["key"]][0] == signed.person
        unowned = kind in _STEWARDED and owned and role != _OWNER and not own_key
        moves = detail.get("transitions") or detail.get("moves")
        if unowned or (kind in _ROLES and role not in _ROLES[kind]) or (moves and not signed):
            raise FaultError(
                self.place,
                f"event {event['sequence']} ({kind}) is not signed by anyone who may do that",
            )
        if role == "self" and not own_key:
            raise FaultError(self.place, f"event {event['sequence']} is signed in no role")

    def _check_signature(self, event: dict[str, Any], detail: dict[str, Any]) -> Signed | None:
        statement, proof = detail.get("statement"), detail.get("proof")
        if not isinstance(statement, dict) or not isinstance(proof, dict):
            if statement is None and proof is None:
                return None
            raise ValueError("half a signature")
        number = event["sequence"]
        signed = Signed(event, statement, proof)
        owner, key = self.keys.get(signed.key, ("", b""))
        if owner != signed.person or signed.key in self.retired:
            raise FaultError(
                self.place,
                f"event {number} is signed with a key that was not {signed.person}'s at that time",
            )
        if statement["kind"] != signed.kind or statement["subject"] != signed.subject:
            raise FaultError(self.place, f"event {number} is not what was signed")
        if event["actor"] != signed.person or (
            signed.role != "self" and (signed.person, signed.role) not in self.roles
        ):
            raise FaultError(
                self.place,
                f"event {number} is signed in a role that {signed.person} did not hold",
            )
        message = signing_bytes(_STATEMENT_TYPE, canonical(statement))
        if not ed25519_holds(key, decode_base64(proof["signature"]), message):
            raise FaultError(
                self.place, f"event {number} has a signature that is not over what it says"
            )
        return signed
