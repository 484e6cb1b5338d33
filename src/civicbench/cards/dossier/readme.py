"""The page that stands first in a dossier."""

from civicbench.cards.verifier.assembling import verifier_digest
from civicbench.registry.versions import VersionSummary


def render_readme(version: VersionSummary) -> str:
    """Return what a dossier is and how to check it, as plain text."""
    return f"""\
DOSSIER OF {version.reference}
Version {version.digest}

This archive holds a model version and the evidence on which people decided about it.
Begin with documents/card.html: it opens in any browser and loads nothing from anywhere.

TO CHECK IT, on any computer with Python 3.9 or later, without a network:

    python3 -I verify.py THIS-ARCHIVE --key FINGERPRINT --anchor HEAD --version DIGEST

The three options are what you know from elsewhere; `python3 -I verify.py --help` says what each
proves. Without them you learn that the archive holds together, not who made it. Take verify.py
from the people who run the registry (`civicbench dossier verifier`) rather than from this archive;
the one in here has this sha256:

    {verifier_digest()}

WHAT IS WHAT
documents/card.*          the model card: what is asked, results, gate, data, licences, decisions
documents/atrs.*          the Algorithmic Transparency Record
documents/bom.cdx.json    bill of materials (CycloneDX 1.7)
version/                  the version as it was registered: evidence.json (its sha256 is the
                          version's name), weights, every answer that was scored
attestations/             signed statements: how it was trained (SLSA provenance), what each
                          suite of tests showed (in-toto), and a signature over the weights that
                          `model_signing verify key` reads with keys/weights.p256.pem
decisions/                what people signed about this version, one statement a file
log/events.jsonl          the registry's whole log, each event holding the digest of the one before
keys/                     the public keys of who signed
manifest.json             every file with its sha256; manifest.dsse.json is the signature over it
"""
