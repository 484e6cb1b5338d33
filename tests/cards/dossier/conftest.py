from collections.abc import Iterator

import pytest
from tests.registry.decided import decide, enrol, key_of
from tests.registry.factory import make_evidence, make_files

from civicbench.cards.dossier.export import ExportedDossier, export_dossier
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.atrs.record import edit_record
from civicbench.registry.chain import current_actor
from civicbench.registry.registry import Registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry in which a version is live, and another was registered."""
    folder = tmp_path_factory.mktemp("registry")
    with Registry.open_or_initialise(
        Workspace(folder / "home"), reporter=Reporter(live=False)
    ) as opened:
        keys = enrol(opened, account=current_actor())
        for seed in (0, 1):
            evidence, measurements = make_evidence(seed)
            files = make_files(folder / "files", seed=seed)
            opened.register(evidence, measurements=measurements, files=files)
        decide(opened, "enquiry-triage:1", keys=keys)
        edit_record(
            opened.log, model="enquiry-triage", texts={"team": "Advice"}, signer=keys["eve"]
        )
        yield opened


@pytest.fixture(scope="module")
def dossier(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> ExportedDossier:
    """The live version's dossier, made by the senior responsible owner."""
    folder = tmp_path_factory.mktemp("dossier")
    return export_dossier(registry, "enquiry-triage:1", path=folder, signer=key_of("olwen"))
