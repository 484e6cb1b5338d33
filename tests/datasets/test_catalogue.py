"""The catalogue's datasets from public bodies, built from the mirror without a network."""

from pathlib import Path

import pytest
from tests.datasets.readers.reading import mirror

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import build_snapshot, load_dataset_settings, read_record
from civicbench.datasets.record import SnapshotRecord
from civicbench.datasets.rows import SPLITS, Row, read_split

_WELSH = "translate-cy"
# Digests of all rows: who builds another snapshot from the same sources has found a difference
# between machines, or has changed what a step does (then raise `building.CODE_VERSION`).
_DIGESTS = {
    "translate-cy": "ca85b652f3feb274813b4ac7a96152fafb0968984892284e7e88d7e4647c0886",
    "planning-conditions": "04ce639892e3682dd17f6478b92428cb529f40ef345b0cff2dc066d8d2874c8a",
}


def build(name: str, home: Path) -> tuple[SnapshotRecord, dict[str, list[Row]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CIVICBENCH_MIRROR", str(mirror()))
        patch.setenv("CIVICBENCH_HOME", str(home))
        output = build_snapshot(
            load_dataset_settings(name), workspace=Workspace.locate(),
            reporter=Reporter(live=False),
        )  # fmt: skip
    rows = {split: read_split(output.folder, split) for split in SPLITS}
    return read_record(output.folder), rows


@pytest.fixture(scope="module")
def welsh(tmp_path_factory: pytest.TempPathFactory) -> tuple[SnapshotRecord, dict[str, list[Row]]]:
    return build(_WELSH, tmp_path_factory.mktemp("welsh"))


@pytest.fixture(scope="module")
def planning(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[SnapshotRecord, dict[str, list[Row]]]:
    return build("planning-conditions", tmp_path_factory.mktemp("planning"))


def test_translate_cy_has_twelve_thousand_pairs_and_holds_out_whole_services(
    welsh: tuple[SnapshotRecord, dict[str, list[Row]]],
) -> None:
    _, rows = welsh
    assert sum(map(len, rows.values())) >= 12_000
    services = {split: {row.group for row in found} for split, found in rows.items()}
    assert services["test"] == {"childcare-calculator-frontend", "covid-19-app"}
    assert services["validation"] == {"self-service-time-to-pay-frontend"}
    assert len(services["train"]) == 6
    assert not services["train"] & (services["test"] | services["validation"])


def test_no_english_text_of_training_is_asked_in_the_held_out_services(
    welsh: tuple[SnapshotRecord, dict[str, list[Row]]],
) -> None:
    _, rows = welsh
    trained = {row.messages[-2].content for row in rows["train"]}
    assert not [row.id for row in rows["test"] if row.messages[-2].content in trained]
    assert not [row.id for row in rows["validation"] if row.messages[-2].content in trained]


def test_translate_cy_pairs_are_pairs(
    welsh: tuple[SnapshotRecord, dict[str, list[Row]]],
) -> None:
    _, rows = welsh
    seen = set()
    for row in (row for found in rows.values() for row in found):
        english, cymraeg = row.messages[-2].content, row.messages[-1].content
        assert english.casefold() != cymraeg.casefold(), row.id
        assert english.count("{") == cymraeg.count("{"), row.id
        seen.add((english, cymraeg))
    assert len(seen) == sum(map(len, rows.values()))


def test_every_source_of_translate_cy_says_its_licence_and_whom_to_name(
    welsh: tuple[SnapshotRecord, dict[str, list[Row]]],
) -> None:
    record, _ = welsh
    assert {source.licence for source in record.sources} == {"MIT", "Apache-2.0"}
    assert all("github.com/" in source.attribution for source in record.sources)
    assert sum(len(source.files) for source in record.sources) == 276
    assert sum(source.rows + source.malformed for source in record.sources) == (
        record.steps[0].rows_in
    )


def test_planning_conditions_have_reasons_and_hold_out_whole_applications(
    planning: tuple[SnapshotRecord, dict[str, list[Row]]],
) -> None:
    record, rows = planning
    counts = {split: len(found) for split, found in rows.items()}
    assert sum(counts.values()) >= 280
    assert counts["test"] >= 50
    groups = [{row.group for row in found} for found in rows.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert all(len(row.messages[-1].content) >= 30 for found in rows.values() for row in found)
    assert {source.licence for source in record.sources} == {"OGL-UK-3.0"}


@pytest.mark.parametrize("name", ["welsh", "planning"])
def test_the_readmes_figures_are_those_of_the_build(
    name: str, request: pytest.FixtureRequest
) -> None:
    record, _ = request.getfixturevalue(name)
    folder = load_dataset_settings(record.name).folder
    text = (folder / "README.md").read_text(encoding="utf-8")
    figures = [figure for step in record.steps for figure in (step.rows_in, step.rows_out)]
    figures += [split.rows for split in record.splits]
    figures += [source.rows for source in record.sources]
    figures += [sum(split.rows for split in record.splits), record.excluded]
    assert not [figure for figure in figures if f"{figure:,}" not in text]


@pytest.mark.parametrize("name", ["welsh", "planning"])
def test_every_machine_builds_the_same_rows(name: str, request: pytest.FixtureRequest) -> None:
    record, _ = request.getfixturevalue(name)
    assert record.digest == _DIGESTS[record.name]
