from pathlib import Path

from tests.cli.conftest import Command


def test_the_registered_version_is_listed_and_shown(civicbench: Command, smoke_home: Path) -> None:
    [listed] = civicbench("registry", "list", "--json", home=smoke_home).json
    assert (listed["model"], listed["number"], listed["gate_passed"]) == ("smoke", 1, True)
    for reference in ("smoke", "smoke:1", listed["digest"][:12], listed["digest"]):
        shown = civicbench("registry", "show", reference, "--json", home=smoke_home).json
        assert shown["digest"] == listed["digest"]
    paths = {artefact["path"] for artefact in shown["artefacts"]}
    assert {"adapter/adapter_model.safetensors", "scores/smoke/tuned/items.jsonl"} <= paths
    assert [event["kind"] for event in shown["events"]]
    assert {result["suite"] for result in shown["results"]} == {"smoke"}


def test_versions_of_one_model_only(civicbench: Command, smoke_home: Path) -> None:
    listed = civicbench("registry", "list", "--model", "smoke", "--json", home=smoke_home)
    assert len(listed.json) == 1


def test_the_registry_is_whole(civicbench: Command, smoke_home: Path) -> None:
    found = civicbench("registry", "verify", "--json", home=smoke_home).json
    assert found["versions"] == 1
    assert found["files"] >= 8
    assert found["events"] >= 1


def test_a_version_compared_with_itself_differs_in_nothing(
    civicbench: Command, smoke_home: Path
) -> None:
    compared = civicbench("compare", "smoke", "smoke:1", "--json", home=smoke_home).json
    assert compared["first"] == "smoke:1"
    [entries] = compared["comparisons"].values()
    assert {entry["suite"] for entry in entries} == {"smoke"}
    for entry in entries:
        assert entry["base"] == entry["tuned"]
        difference = entry["difference"]
        # So few items could hide a difference that none of them shows.
        assert difference["low"] < difference["value"] == 0 < difference["high"]
        assert (entry["gained"], entry["lost"], entry["flips"]) == (0, 0, [])
        assert entry["verdict"] == "not distinguishable"


def test_a_card_is_written_where_it_is_asked_for(
    civicbench: Command, smoke_home: Path, tmp_path: Path
) -> None:
    done = civicbench("card", "smoke", "--to", str(tmp_path / "card"), home=smoke_home)
    html, markdown = map(Path, done.out.split())
    assert html.parent == markdown.parent == tmp_path / "card"
    [first] = (smoke_home / "cards").glob("*/card.html")
    # The same evidence gives the same card.
    assert html.read_bytes() == first.read_bytes()
    assert "civicbench run smoke" in markdown.read_text(encoding="utf-8")
    (tmp_path / "file").write_text("")
    refused = civicbench("card", "smoke", "--to", str(tmp_path / "file"), home=smoke_home)
    assert refused.code == 5
    assert "Traceback" not in refused.err
