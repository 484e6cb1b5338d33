"""The one file is the parts, joined: nothing shadowed, standard library alone, old Pythons too."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

from civicbench.cards.verifier import assembling
from civicbench.cards.verifier.assembling import assemble_verifier


def names_of(text: str) -> list[str]:
    names = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names += [one.id for one in ast.walk(target) if isinstance(one, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return names


def test_no_part_shadows_a_name_of_another() -> None:
    # In one file a second `_TYPE` would silently take the first one's place.
    counted = Counter(names_of(assemble_verifier()))
    assert [name for name, count in counted.items() if count > 1] == []


def test_every_part_is_in_it_and_none_imports_more_than_python_brings() -> None:
    folder = Path(assembling.__file__).parent
    parts = {path.stem for path in folder.glob("*.py")} - {"__init__", "assembling"}
    assert parts == set(assembling._PARTS)
    tree = ast.parse(assemble_verifier(), feature_version=(3, 9))
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for name in node.names
    } | {
        (node.module or "").split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names
    assert "zlib" not in imported  # not every small Python has it


def test_what_came_after_python_3_9_is_not_used() -> None:
    text = assemble_verifier()
    assert not [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Match)]
    for newer in ("zip(", "strict=", "datetime.UTC", "from datetime import UTC", "pairwise"):
        assert newer not in text


def test_its_help_says_on_what_it_stands(tmp_path: Path) -> None:
    script = tmp_path / "verify.py"
    script.write_text(assemble_verifier(), "utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(script), "--help"],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for words in ("--key", "--anchor", "--version", "was not proven", "Exit codes: 0 valid"):
        assert words in done.stdout
