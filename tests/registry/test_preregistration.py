"""When a gate's rules were written down, by what the log says."""

from pathlib import Path

import pytest
from tests.registry.factory import make_evidence, make_files

from civicbench.registry.gate_files import gate_digest
from civicbench.registry.gates import Gate
from civicbench.registry.preregistration import GateLog
from civicbench.registry.registry import Registry

TRAINING, WEIGHTS = "t" * 64, make_evidence(0)[0].training.adapter_digest


def gate(limit: float = 0.1, *, name: str = "advice") -> Gate:
    rule = {
        "name": "gain", "reason": "so", "suite": "s", "task": "t", "of": "difference",
        "judged_by": "interval low", "at_least": limit,
    }  # fmt: skip
    return Gate.model_validate({"name": name, "title": "Advice", "rules": [rule]})


def standing(registry: Registry, judged_by: Gate, *, training: str = TRAINING) -> tuple[str, ...]:
    found, digest = GateLog(registry).standing(judged_by, training=training, trained_digest=WEIGHTS)
    return (found,) if digest is None else (found, digest)


def register_version(registry: Registry, tmp_path: Path) -> None:
    evidence, measurements = make_evidence(0)
    registry.register(
        evidence, measurements=measurements, files=make_files(tmp_path / "files", seed=0)
    )


def test_a_gate_that_training_started_under_stands(registry: Registry) -> None:
    GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    assert standing(registry, gate()) == ("registered before training",)


def test_a_gate_that_was_edited_after_training_started_has_moved(registry: Registry) -> None:
    GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    moved = ("moved after results", gate_digest(gate()))
    assert standing(registry, gate(0.05)) == moved
    # Writing the edited one down by hand comes too late.
    GateLog(registry).register(gate(0.05))
    assert standing(registry, gate(0.05)) == moved


def test_another_gate_is_no_way_round(registry: Registry) -> None:
    GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    other = gate(0.0, name="lenient")
    assert standing(registry, other)[0] == "moved after results"


def test_a_gate_that_was_registered_by_hand_before_training_stands(registry: Registry) -> None:
    GateLog(registry).register(gate(name="second"))
    GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    assert standing(registry, gate(name="second")) == ("registered before training",)


def test_training_again_under_an_edited_gate_does_not_forget_the_results(
    registry: Registry, tmp_path: Path
) -> None:
    """Removing the run's folder and training again gives the same weights: they were judged."""
    GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    register_version(registry, tmp_path)
    GateLog(registry).register(gate(0.05), training=TRAINING, recipe="r")
    assert standing(registry, gate(0.05)) == ("moved after results", gate_digest(gate()))
    assert standing(registry, gate()) == ("registered before training",)


def test_before_any_result_the_last_registration_counts(registry: Registry) -> None:
    GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    GateLog(registry).register(gate(0.05), training=TRAINING, recipe="r")
    assert standing(registry, gate(0.05)) == ("registered before training",)


def test_training_that_registered_nothing_is_said_to_be_that(
    registry: Registry, tmp_path: Path
) -> None:
    register_version(registry, tmp_path)
    assert standing(registry, gate()) == ("not registered before training",)
    GateLog(registry).register(gate())
    assert standing(registry, gate()) == ("not registered before training",)


def test_the_same_gate_is_written_down_once_and_whole(registry: Registry) -> None:
    first = GateLog(registry).register(gate(), training=TRAINING, recipe="r")
    assert GateLog(registry).register(gate(), training=TRAINING, recipe="r") == first
    assert GateLog(registry).registrations(gate="advice") == (first,)
    assert GateLog(registry).registrations(gate="other") == ()
    assert Gate.model_validate_json(first.detail.settings) == gate()
    assert registry.verify().events == 1


@pytest.mark.parametrize("words", ["title", "reason"])
def test_words_count_too(words: str) -> None:
    rules = gate().rules[0]
    changed = {
        "title": gate().model_copy(update={"title": "Other"}),
        "reason": gate().model_copy(update={"rules": (rules.model_copy(update={"reason": "x"}),)}),
    }[words]
    assert gate_digest(changed) != gate_digest(gate())
