"""Laying out a project of the user's own."""

import os
from pathlib import Path

from civicbench.core.content import shipped_content_root
from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import disk_errors_explained, remove_folder, write_text_whole

# Each part of the smoke recipe under a name of the user's own: small, and it runs in a minute.
_TEXTS = {
    "recipes/smoke.yaml": "recipes/example.yaml",
    "datasets/smoke/dataset.yaml": "datasets/example/dataset.yaml",
    "datasets/smoke/rows.jsonl": "datasets/example/rows.jsonl",
    "evaluation/smoke/suite.yaml": "evaluation/example/suite.yaml",
    "configs/gates/smoke.yaml": "configs/gates/example.yaml",
}
_README = """# A Civicbench project

| folder | what is in it |
|---|---|
| recipes/ | what to run: one YAML file a recipe |
| datasets/ | your datasets: one folder each, with dataset.yaml and rows |
| evaluation/ | your suites: one folder each, with suite.yaml |
| configs/gates/ | what a version must show |

A name is looked up here first, then among what Civicbench ships (`civicbench recipes list`).
Work is kept in .civicbench/, which need not be committed.

    civicbench plan example
    civicbench run example
"""


def lay_out_project(folder: Path) -> list[Path]:
    """Write an example project into a folder that is absent or empty.

    Args:
        folder: The project's folder.

    Returns:
        The files that were written.

    Raises:
        InvalidInputError: The folder is a file, or holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInputError(
            "is not an empty folder, and nothing in it is overwritten", where=str(folder)
        )
    place = folder.resolve()
    partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
    texts = {
        target: _renamed(target, read_text(shipped_content_root() / source))
        for source, target in _TEXTS.items()
    }
    texts["README.md"] = _README
    texts[".gitignore"] = ".civicbench/\n"
    try:
        for target, text in texts.items():
            write_text_whole(partial / target, text)
        with disk_errors_explained(str(folder)):
            # An empty folder that stands keeps its place: someone may be working in it.
            place.mkdir(exist_ok=True)
            for path in sorted(partial.iterdir()):
                path.rename(place / path.name)
    finally:
        remove_folder(partial)
    return [folder / target for target in texts]


def _renamed(target: str, text: str) -> str:
    """Return a part with the example's name; rows have no name of a part in them."""
    if target.endswith(".jsonl"):
        return text
    lines = [line for line in text.splitlines() if not line.startswith("# yaml-language-server")]
    own = "\n".join(lines).replace("smoke", "example") + "\n"
    # Weights of its own: those of smoke may have been judged already, under another gate.
    return own.replace("  epochs: 2\n", "  epochs: 2\n  seed: 1\n")
