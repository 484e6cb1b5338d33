import contextlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import settings

from civicbench.core.environment import keep_hub_offline, yield_waiting_threads

# Before any test imports a library that reads them.
keep_hub_offline()
yield_waiting_threads()
os.environ["CIVICBENCH_OFFLINE"] = "1"
# The same examples each time, nothing kept in the checkout, and no test that depends on seconds.
settings.register_profile("civicbench", deadline=None, derandomize=True, database=None)
settings.load_profile("civicbench")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace of the test's own, which does not stand yet."""
    folder = tmp_path / "home"
    monkeypatch.setenv("CIVICBENCH_HOME", str(folder))
    monkeypatch.delenv("CIVICBENCH_MIRROR", raising=False)
    return folder


@pytest.fixture(scope="session")
def smoke_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the smoke recipe was run; to be read, never changed."""
    from civicbench.cli import application

    folder = tmp_path_factory.mktemp("smoke") / "home"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv("CIVICBENCH_HOME", str(folder))
        application.main(["run", "smoke"], standalone_mode=False)
    return folder
