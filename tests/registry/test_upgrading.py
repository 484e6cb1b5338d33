"""Registries of older and newer releases, and the step between."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, insert, text
from tests.registry.factory import make_evidence, make_files
from tests.registry.raw import REFUSED, Raw

from civicbench.core.errors import IntegrityError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry import registry as registry_module
from civicbench.registry import tables
from civicbench.registry.chain import current_actor
from civicbench.registry.database import initialise, revision_of
from civicbench.registry.engines import make_engine, parse_url, writing
from civicbench.registry.migrations import decision_rules
from civicbench.registry.registry import Registry

QUIET = Reporter(live=False)
FIRST = (
    tables.Model, tables.Version, tables.Artefact, tables.VersionArtefact, tables.Result,
    tables.Verdict, tables.Event,
)  # fmt: skip


@pytest.fixture
def old(bare_workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A registry as the first release left it, with two versions in it."""
    donor = Workspace(bare_workspace.home, registry=f"sqlite:///{tmp_path / 'donor.db'}")
    monkeypatch.setattr(registry_module, "owners", lambda *_a, **_k: ())
    with Registry.open_or_initialise(donor, reporter=QUIET) as made:
        for seed in range(2):
            evidence, measurements = make_evidence(seed)
            made.register(
                evidence, measurements=measurements, files=make_files(tmp_path, seed=seed)
            )
    engine = make_engine(parse_url(bare_workspace.registry_url))
    bare_workspace.home.mkdir(exist_ok=True)
    with writing(engine).begin() as connection:
        config = Config()
        config.set_main_option("script_location", "civicbench.registry:migrations")
        config.set_main_option("path_separator", "newline")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    source = create_engine(donor.registry_url)
    with source.connect() as reader, writing(engine).begin() as writer:
        for table in FIRST:
            own = table.__table__
            for row in reader.execute(own.select().order_by(*own.primary_key)).mappings():
                writer.execute(insert(own), dict(row))
    source.dispose()
    engine.dispose()
    return bare_workspace


def test_an_older_registry_is_named_and_upgraded_with_everything_in_it(old: Workspace) -> None:
    with pytest.raises(IntegrityError, match="older release") as caught:
        Registry.open(old)
    assert "civicbench registry upgrade" in str(caught.value)
    with pytest.raises(IntegrityError, match="older release"):
        Registry.open_or_initialise(old, reporter=QUIET)
    assert revision_of(old.registry_url) == "0001"
    initialise(old.registry_url, lock=old.locks / "registry.lock", reporter=QUIET)
    with Registry.open(old) as upgraded:
        sound = upgraded.verify()
        assert (sound.events, sound.versions) == (2, 2)
        # Who registered them before the upgrade does not decide on them after it.
        [maker] = upgraded.proposals.standing("enquiry-triage:1").makers
        assert (maker.account, maker.did) == (current_actor(), "registered")


def test_an_upgrade_that_breaks_off_leaves_what_was_there(
    old: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pull_the_plug(*_a: object, **_k: object) -> None:
        raise RuntimeError("pulled the plug")

    raw = Raw(old)
    before = raw.rows("SELECT * FROM events")
    monkeypatch.setattr(decision_rules, "act", pull_the_plug)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        initialise(old.registry_url, lock=old.locks / "registry.lock", reporter=QUIET)
    assert revision_of(old.registry_url) == "0001"
    assert raw.rows("SELECT * FROM events") == before
    with pytest.raises(REFUSED, match="people"):
        raw.execute("SELECT * FROM people")
    raw.close()


def test_a_registry_of_a_newer_release_is_not_touched(old: Workspace) -> None:
    engine = make_engine(parse_url(old.registry_url))
    with writing(engine).begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    engine.dispose()
    for attempt in (
        lambda: Registry.open(old),
        lambda: initialise(old.registry_url, lock=old.locks / "x.lock", reporter=QUIET),
        lambda: revision_of(old.registry_url),
    ):
        with pytest.raises(IntegrityError, match="newer release"):
            attempt()
