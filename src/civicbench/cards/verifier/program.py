"""The command line of `verify.py`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from civicbench.cards.verifier.checks import Dossier
from civicbench.cards.verifier.decisions import expiry
from civicbench.cards.verifier.fault import FaultError
from civicbench.cards.verifier.source import ArchiveSource, FolderSource

VALID, INVALID_USE, UNPROVEN, NOT_VALID = 0, 2, 4, 6
_DESCRIPTION = """\
Check a Civicbench dossier: one archive with a model version's weights, evidence, card, bill of
materials, attestations, log and decisions. Needs Python 3.9 or later and nothing else; reads
only the dossier, writes nothing, and uses no network.

It checks that every file is the one that the signed manifest names; that the evidence, the
registration, the weights and the decisions are about one and the same version; that no event of
the log was changed, removed or added in between; that every signature holds, by a key that was
the signer's at that time, in a role that the signer held; and that nobody approved what they had
made themselves."""
_EPILOGUE = """\
What it stands on: a dossier can show that it holds together, but not by itself that the people
in it are who they say. Somebody who makes up a whole log, with keys of their own, makes up a
dossier that holds together too. So give what you know from elsewhere:

  --key      a reviewer's key fingerprint, had from the reviewer in person, by phone, or from
             your organisation's own list
  --anchor   a head of the log that was kept elsewhere at the time: on a printed card, in
             minutes, or a checkpoint's file (`civicbench registry anchor`)
  --version  the version's digest, as in the decision letter or on the card

Without them the answer says what was not proven. And take verify.py itself from somewhere you
trust (`civicbench dossier verifier`), not out of the archive that you are checking.

Exit codes: 0 valid, 2 wrong use, 4 valid in itself but something was not proven (only with
--strict), 6 not valid. On the first line of the output stands the verdict; if it is "not valid",
then with the first file that is not what it should be."""


def verify_dossier(
    path: str, keys: list[str], anchors: list[str], version: str | None
) -> dict[str, Any]:
    """Check a dossier and return what was found, ready for JSON.

    Args:
        path: The archive, or the folder that it was unpacked to.
        keys: Fingerprints of keys that the reader knows.
        anchors: Heads of the log that the reader knows.
        version: The version's digest, where the reader knows it.

    Raises:
        FaultError: The dossier is not valid; with the first file that is not.
    """
    place = Path(path)
    if place.is_dir():
        dossier = Dossier(FolderSource(place))
    else:
        with place.open("rb") as stream:
            dossier = Dossier(ArchiveSource(stream))
    return _report(dossier, keys, anchors, version)


def _report(
    dossier: Dossier, keys: list[str], anchors: list[str], version: str | None
) -> dict[str, Any]:
    proven, unproven = [], []
    if version is not None and version != dossier.version:
        raise FaultError("version/evidence.json", f"is not the version that you named, {version}")
    anchors = [
        one if _is_digest(one) else dossier.log.read_anchor(Path(one).read_bytes(), one)
        for one in anchors
    ]
    for anchor in anchors:
        if anchor not in dossier.log.digests:
            raise FaultError("log/events.jsonl", f"does not hold the head that you named, {anchor}")
        proven.append(
            f"the log up to event {dossier.log.digests[anchor]} is the one whose head you named"
        )
    acts = [(one.key, f"{one.kind}{_outcome(one.payload)}, event {one.sequence}", one.person)
            for one in dossier.statements]  # fmt: skip
    acts.append((dossier.exporter[1], "the dossier itself", dossier.exporter[0]))
    for key in keys:
        own = [f"{what} ({person})" for signer, what, person in acts if signer == key]
        if not own:
            raise FaultError(
                "manifest.dsse.json", f"nothing here is signed by the key that you named, {key}"
            )
        proven.append(f"signed by the key that you named, {key[:12]}: {'; '.join(own)}")
    if version is not None:
        proven.append("the version is the one that you named")
    for key, what, person in acts:
        if key not in keys:
            unproven.append(f"that {person} signed: {what} (compare the key: --key {key})")
    if not anchors:
        unproven.append(
            "that this log is the one that was kept at the time (--anchor, with a head that was "
            "written down elsewhere)"
        )
    elif max(dossier.log.digests[anchor] for anchor in anchors) < len(dossier.log.events):
        unproven.append("the events after the head that you named")
    if version is None:
        unproven.append("that this is the version that you mean (--version)")
    if not any(one.kind == "version decided" for one in dossier.statements):
        unproven.append("that anybody decided on this version: nobody has")
    return {
        "valid": True,
        "version": dossier.version,
        "reference": dossier.reference,
        "state": dossier.state,
        "live": dossier.live,
        "files": dossier.files,
        "events": len(dossier.log.events),
        "head": dossier.log.head,
        "signed": [
            {"event": one.sequence, "at": one.at, "what": one.kind + _outcome(one.payload),
             "person": one.person, "role": one.role, "key": one.key}
            for one in dossier.statements
        ],
        "exported_by": {"person": dossier.exporter[0], "key": dossier.exporter[1]},
        "proven": proven,
        "not_proven": unproven,
    }  # fmt: skip


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


def _outcome(payload: dict[str, Any]) -> str:
    end = expiry(payload)
    outcome = f": {payload['outcome']}" if "outcome" in payload else ""
    return outcome + (f", until {end}" if end else "")


def _say(found: dict[str, Any]) -> None:
    print(f"valid: {found['reference']}, version {found['version']}")
    print(f"  state: {found['state']}{' (the live version)' if found['live'] else ''}")
    print(f"  {found['files']} files as signed, {found['events']} events, log head {found['head']}")
    for one in found["signed"]:
        print(
            f"  {one['at'][:16]}  {one['what']}: {one['person']} as {one['role']}, key {one['key']}"
        )
    exporter = found["exported_by"]
    print(f"  dossier made by {exporter['person']}, key {exporter['key']}")
    if found["proven"]:
        print("proven by what you gave:")
        print("\n".join(f"  - {one}" for one in found["proven"]))
    if found["not_proven"]:
        print("NOT proven (the dossier holds together, but a forger's could too):")
        print("\n".join(f"  - {one}" for one in found["not_proven"]))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="verify.py", description=_DESCRIPTION, epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("dossier", help="the archive, or the folder it was unpacked to")
    parser.add_argument("--key", action="append", default=[], metavar="FINGERPRINT",
                        help="a key that you know: something about the version has to be signed "
                        "by it; may be given several times")  # fmt: skip
    parser.add_argument("--anchor", action="append", default=[], metavar="HEAD",
                        help="a head of the log that you know, or the file of a checkpoint: the "
                        "log has to hold it")  # fmt: skip
    parser.add_argument("--version", metavar="DIGEST", help="the version's digest, if you know it")
    parser.add_argument("--strict", action="store_true",
                        help="exit with 4 where anything was not proven")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    named = [("--key", one) for one in given.key]
    named += [("--anchor", one) for one in given.anchor if not Path(one).is_file()]
    named += [("--version", given.version)] if given.version else []
    for name, value in named:
        if not _is_digest(value):
            parser.error(f"{name} takes 64 hexadecimal digits, not {value!r}")
    try:
        found = verify_dossier(given.dossier, given.key, given.anchor, given.version)
    except FaultError as fault:
        if given.json:
            print(json.dumps({"valid": False, "file": fault.place, "problem": fault.problem}))
        else:
            print(f"not valid: {fault.place}: {fault.problem}")
        return NOT_VALID
    except OSError as error:
        print(f"cannot read the dossier: {error}", file=sys.stderr)
        return INVALID_USE
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        _say(found)
    return UNPROVEN if given.strict and found["not_proven"] else VALID
