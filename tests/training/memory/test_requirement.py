"""Training refuses what memory cannot hold, and says what would fit."""

from pathlib import Path

import pytest
from tests.training.factory import make_examples
from tests.training.memory.shapes import BFLOAT16, architecture, make_settings

from civicbench.core.errors import ExitCode, PartAbsentError
from civicbench.models.rendering import ChatRenderer
from civicbench.training.memory.available import available_bytes
from civicbench.training.memory.requirement import TOLERANCE, require_memory

_SHAPE = architecture("llama-3.2-1b-instruct")


def test_a_run_that_fits_passes_and_one_within_the_plans_error_too(renderer: ChatRenderer) -> None:
    rows = make_examples(renderer, rows=6)
    settings = make_settings(batch_size_rows=6)
    plan = require_memory(_SHAPE, settings, rows=rows, available=1e12)
    just = plan.total * (1 - TOLERANCE)
    assert require_memory(_SHAPE, settings, rows=rows, available=just * 1.001) == plan
    with pytest.raises(PartAbsentError):
        require_memory(_SHAPE, settings, rows=rows, available=just * 0.999)


def test_what_is_refused_comes_with_what_would_fit(renderer: ChatRenderer) -> None:
    rows = make_examples(renderer, rows=6)
    settings = make_settings(batch_size_rows=6)
    with pytest.raises(PartAbsentError) as refused:
        require_memory(_SHAPE, settings, rows=rows, available=3.5e9)
    assert refused.value.exit_code == ExitCode.PART_ABSENT
    assert "3.5 GB free" in str(refused.value)
    assert "training.precision=bfloat16" in str(refused.value.remedy)


def test_where_nothing_fits_it_says_by_how_much(renderer: ChatRenderer) -> None:
    rows = make_examples(renderer, rows=6)
    with pytest.raises(PartAbsentError, match=r"free \d+\.\d GB or use a smaller base model"):
        require_memory(_SHAPE, make_settings(**BFLOAT16), rows=rows, available=0.5e9)


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group of this process, in a folder of its own."""
    own = Path("/proc/self/cgroup").read_text()
    path = next(line for line in own.splitlines() if line.startswith("0::")).removeprefix("0::")
    folder = tmp_path / path.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_containers_limit_counts_without_files_that_may_be_dropped(
    group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    (group / "memory.max").write_text("300000000\n")
    (group / "memory.current").write_text("200000000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 50000000\n")
    assert available_bytes(group_folder=tmp_path) == 150_000_000
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert available_bytes(group_folder=tmp_path) == 75_000_000


def test_a_group_without_a_limit_leaves_what_the_machine_has(group: Path, tmp_path: Path) -> None:
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("200000000\n")
    assert available_bytes(group_folder=tmp_path) > 300_000_000
