"""`civicbench compare` and the report of `civicbench evaluate`."""

import json
import shutil
from pathlib import Path

from tests.cli.conftest import Command
from tests.pages.page import Page

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.records import parse_items
from civicbench.registry.registry import Registry

_FILES = {"report.html", "report.md", "report.json", "forest.svg", "forest.png"}


def test_one_version_is_compared_with_its_own_base(
    civicbench: Command, smoke_home: Path, tmp_path: Path
) -> None:
    done = civicbench("compare", "smoke", "--to", str(tmp_path / "report"), home=smoke_home)
    assert done.code == 0
    assert "tiny-random (its base)" in done.out
    assert str(tmp_path / "report" / "report.html") in done.out
    assert {path.name for path in (tmp_path / "report").iterdir()} == _FILES
    text = Page.read((tmp_path / "report" / "report.html").read_text("utf-8")).text()
    assert "civicbench compare smoke" in text
    assert "Colours of things" in text
    assert "Times were not kept" in text
    # Prompts are kept with a version.
    assert "<|im_start|>" in text


def test_the_comparison_with_the_base_is_the_one_that_was_registered(
    civicbench: Command, smoke_home: Path
) -> None:
    compared = civicbench("compare", "smoke", "--json", home=smoke_home).json
    shown = civicbench("registry", "show", "smoke", "--json", home=smoke_home).json
    [entries] = compared["comparisons"].values()
    verdicts = {(e["suite"], e["task"], e["metric"]): e["verdict"] for e in entries}
    assert verdicts == {
        (r["suite"], r["task"], r["metric"]): r["verdict"] for r in shown["results"]
    }


def test_several_versions_are_each_compared_with_the_first(
    civicbench: Command, smoke_home: Path
) -> None:
    done = civicbench("compare", "smoke", "smoke:1", "smoke:1", "--json", home=smoke_home).json
    assert list(done["comparisons"]) == ["smoke:1 (2)", "smoke:1 (3)"]
    assert done["report"] is None
    shown = civicbench("compare", "smoke", "smoke:1", "smoke:1", home=smoke_home).out
    assert "smoke:1 (3) against smoke:1" in shown
    assert "Suspect: smoke:1 (2) gave smoke:1's answers" in shown


def test_compare_needs_a_version(civicbench: Command, smoke_home: Path) -> None:
    done = civicbench("compare", home=smoke_home)
    assert done.code == 2
    assert "VERSION" in done.err


def test_versions_without_a_suite_in_common_are_refused(
    civicbench: Command, smoke_home: Path, home: Path, tmp_path: Path
) -> None:
    shutil.copytree(smoke_home, home)
    _register_with_other_items(Workspace(home))
    done = civicbench("compare", "smoke", "other", "--to", str(tmp_path / "r"), home=home)
    assert done.code == 2
    assert "share no suite with the same items" in done.err
    assert "smoke:1 and other:1" in done.err
    assert not (tmp_path / "r").exists()


def _register_with_other_items(workspace: Workspace) -> None:
    """Register the smoke version again, as if its suite had had other items."""
    with Registry.open_or_initialise(workspace, reporter=Reporter(live=False)) as registry:
        evidence = registry.load_evidence("smoke")
        files = registry.artefact_paths("smoke")
        suites = tuple(
            suite.model_copy(
                update={
                    role: getattr(suite, role).model_copy(update={"items_digest": "0" * 64})
                    for role in ("base", "tuned")
                }
            )
            for suite in evidence.suites
        )
        registry.register(
            evidence.model_copy(update={"model_name": "other", "suites": suites}),
            measurements=registry.load_measurements("smoke"),
            files={
                path: file
                for path, file in files.items()
                if path not in ("evidence.json", "measurements.json")
            },
        )


def test_evaluate_ends_in_its_table_and_a_report(
    civicbench: Command, smoke_home: Path, home: Path, tmp_path: Path
) -> None:
    shutil.copytree(smoke_home, home)
    done = civicbench("evaluate", "smoke", home=home)
    assert done.code == 0
    assert "difference [95 % interval]" in done.out
    [report] = (home / "reports").glob("*/report.html")
    assert f"Report: {report}" in done.out
    assert {path.name for path in report.parent.iterdir()} == _FILES
    text = Page.read(report.read_text("utf-8")).text()
    assert "civicbench evaluate smoke" in text
    assert "Items a second" in text
    record = json.loads((report.parent / "report.json").read_text("utf-8"))
    assert record["models"][0]["label"] == "base"

    elsewhere = civicbench("evaluate", "smoke", "--to", str(tmp_path / "r"), "--json", home=home)
    assert elsewhere.json["report"] == str(tmp_path / "r" / "report.html")
    assert (tmp_path / "r" / "report.html").read_bytes() == report.read_bytes()


def test_the_report_shows_the_stored_answers(
    civicbench: Command, smoke_home: Path, tmp_path: Path
) -> None:
    civicbench("compare", "smoke", "--to", str(tmp_path), home=smoke_home)
    record = json.loads((tmp_path / "report.json").read_text("utf-8"))
    tuned = record["models"][1]["suites"]["smoke"]
    stored = {
        (item.task, item.id): item.answer
        for path in smoke_home.glob("scores/*/items.jsonl")
        if json.loads((path.parent / "result.json").read_text())["model"] == "tuned"
        for item in parse_items(path)
    }
    assert tuned["shown_items"]
    for item in tuned["shown_items"]:
        assert stored[item["task"], item["id"]] == item["answer"]
