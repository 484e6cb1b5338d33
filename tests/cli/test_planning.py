"""What `civicbench plan` answers."""

from pathlib import Path

import pytest
from tests.cli.conftest import Command

_BIG = "enquiry-triage-llama-3.1-8b"


def test_a_plan_tells_memory_by_part_time_and_energy(civicbench: Command, smoke_home: Path) -> None:
    plan = civicbench("plan", "smoke", "--json", home=smoke_home).json
    memory = plan["memory"]
    whole = {"total_gb", "available_gb"}
    parts = [v for name, v in memory.items() if name.endswith("_gb") and name not in whole]
    assert sum(parts) == pytest.approx(memory["total_gb"], abs=0.005)
    assert memory["fits"]
    assert plan["tokens"]["padding_share"] == 0
    assert plan["tokens"]["truncated"] == plan["tokens"]["too_long"] == 0
    assert plan["tokens"]["computed_tokens"] <= plan["tokens"]["tokens"]
    assert plan["steps"]["passes_a_step"] == 1
    assert plan["time"]["training_s"] > 0
    assert "timed on this machine" in plan["time"]["how"]
    assert "W a core" in plan["time"]["energy_assumption"]
    parts = {kernel["part"] for kernel in plan["kernels"]}
    assert parts == {"attention", "optimiser", "norms, feed-forward, rotation"}
    assert plan["fits"] is None


def test_hardware_that_is_not_here(civicbench: Command, tmp_path: Path) -> None:
    plan = civicbench(
        "plan", _BIG, "--for", "8x H100-80GB", "--sharding", "zero3", "--json", home=tmp_path
    ).json
    assert plan["devices"] == 8
    assert plan["hardware"] == "8 x NVIDIA H100 SXM, 80 GB"
    assert plan["memory"]["available_gb"] == 80
    assert plan["memory"]["weights_gb"] < 3
    assert plan["time"]["energy_kwh"] == pytest.approx(
        8 * 700 * plan["time"]["training_s"] / 3.6e6, rel=0.01
    )
    unknown = civicbench("plan", _BIG, "--for", "2x 80GB", "--json", home=tmp_path).json
    assert unknown["time"]["training_s"] is None
    assert "only the memory" in unknown["time"]["how"]


def test_ways_to_fit_are_ready_to_paste(civicbench: Command, tmp_path: Path) -> None:
    asked = (
        "plan", _BIG, "training.gradient_checkpointing=false", "training.quantisation=null",
        "training.batch_size_rows=64", "--for", "1x L4-24GB", "--fit",
    )  # fmt: skip
    plan = civicbench(*asked, "--json", home=tmp_path).json
    assert not plan["memory"]["fits"]
    for way in plan["fits"]["ways"]:
        overrides = way["command"].removeprefix("civicbench run ").split()
        again = civicbench("plan", *overrides, "--for", "1x L4-24GB", "--json", home=tmp_path).json
        assert again["memory"]["fits"]
        assert again["memory"]["total_gb"] == way["total_gb"]
    shown = civicbench(*asked, home=tmp_path)
    assert "DOES NOT FIT" in shown.out
    assert plan["fits"]["ways"][0]["command"] in shown.out


def test_where_nothing_fits_it_says_by_how_much(civicbench: Command, tmp_path: Path) -> None:
    shown = civicbench("plan", _BIG, "--for", "1x 3GB", "--fit", home=tmp_path)
    assert shown.code == 0
    assert "Nothing fits: with every change each device is short by" in shown.out


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--for", "8x H100"), "did you mean H100-80GB?"),
        (("--for", "1x L4-24GB", "--sharding", "ddp"), "one device has nobody to share with"),
    ],
)
def test_mistakes_come_with_a_hint(
    civicbench: Command, arguments: tuple[str, ...], hint: str, tmp_path: Path
) -> None:
    outcome = civicbench("plan", _BIG, *arguments, home=tmp_path)
    assert outcome.code == 2
    assert hint in outcome.err
