import json
import re
from pathlib import Path

from civicbench.pages.stylesheet import read_stylesheet

_PROJECT = Path(__file__).resolve().parents[2]


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    lock = json.loads((_PROJECT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages.keys() >= {"node_modules/govuk-frontend", "node_modules/sass"}
    for entry in packages.values():
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry
    declared = json.loads((_PROJECT / "package.json").read_text(encoding="utf-8"))
    for name, version in declared["devDependencies"].items():
        assert packages[f"node_modules/{name}"]["version"] == version


def test_every_class_in_the_templates_is_styled() -> None:
    stylesheet = read_stylesheet()
    templates = _PROJECT / "src" / "civicbench" / "pages" / "templates"
    used = {
        name
        for path in templates.glob("*.html")
        for value in re.findall(
            r'class="([^"]*)"', re.sub(r"{%.*?%}", " ", path.read_text(encoding="utf-8"))
        )
        for name in value.split()
        if "{" not in name and "}" not in name and "." not in name
    }
    unstyled = {name for name in used if not re.search(rf"\.{name}(?![\w-])", stylesheet)}
    assert unstyled <= {"page-section", "govuk-table__body", "govuk-table__head"}
    for colour in ("green", "red", "grey"):
        assert f".govuk-tag--{colour}" in stylesheet
