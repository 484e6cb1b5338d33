"""Joining the verifier's parts into the one file that is handed over."""

import re
from pathlib import Path

from civicbench.core.digests import digest_text

VERIFIER_NAME = "verify.py"
_PARTS = (
    "fault", "ed25519", "p256", "archive", "log", "decisions", "source", "checks", "program",
)  # fmt: skip
_OWN_IMPORT = re.compile(
    r"^from civicbench\.[\w.]+ import (?:\([^)]*\)|[^\n]*)\n", flags=re.MULTILINE
)
_FUTURE = "from __future__ import annotations\n"
_HEAD = f'''\
#!/usr/bin/env python3
"""Check a Civicbench dossier with Python's standard library alone: `python3 -I verify.py --help`.

Made by joining the parts of `civicbench.cards.verifier`; each begins with a line of its name.
"""

{_FUTURE}'''
_TAIL = """

if __name__ == "__main__":
    sys.exit(main())
"""


def assemble_verifier() -> str:
    """Return the text of `verify.py`."""
    folder = Path(__file__).resolve().parent
    parts = []
    for name in _PARTS:
        text = (folder / f"{name}.py").read_text("utf-8")
        docstring, _, body = text.partition('"""\n')
        body = _OWN_IMPORT.sub("", body.replace(_FUTURE, "", 1))
        about = docstring.removeprefix('"""').replace("\n\n", "\n").replace("\n", "\n# ")
        parts.append(f"\n\n# --- {name} {'-' * (90 - len(name))}\n# {about}\n\n{body.strip()}\n")
    return _HEAD + "".join(parts) + _TAIL


def verifier_digest() -> str:
    """Return the sha256 of `verify.py`, for whoever compares a copy."""
    return digest_text(assemble_verifier())
