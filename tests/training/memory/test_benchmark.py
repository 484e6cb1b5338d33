"""The benchmark of planned memory runs, on the model that needs no download."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from civicbench.core.content import shipped_content_root


@pytest.mark.slow
def test_the_quick_form_compares_plans_with_processes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(shipped_content_root() / "benchmarks" / "memory.py"), "--quick"],
        env={**os.environ, "CIVICBENCH_HOME": str(tmp_path), "CIVICBENCH_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["benchmark"] == "memory"
    assert found["machine"]["processor"]
    assert found["ratios"].keys() == found["figures"].keys()
    assert len(found["ratios"]) >= 3
    for name, figures in found["figures"].items():
        planned = sum(figures["planned_gb"].values())
        assert found["ratios"][name] == pytest.approx(planned / figures["measured_gb"], rel=0.05)
        assert 0.5 < found["ratios"][name] < 2
