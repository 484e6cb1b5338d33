"""What a decision binds to, and what of it differs."""

from collections.abc import Iterator

from civicbench.core.digests import digest_json, short
from civicbench.registry.decisions.kinds import Binding
from civicbench.registry.evidence import Evidence


def bind(evidence: Evidence) -> Binding:
    """Return what a decision on this evidence is about."""
    return Binding(
        evidence=evidence.digest,
        base_weights=evidence.base.weights_digest,
        weights=evidence.training.adapter_digest,
        data=evidence.training_data_digest,
        suites={
            suite.name: digest_json([suite.tuned.items_digest, suite.tuned.prompts_digest])
            for suite in evidence.suites
        },
        judges={
            suite.name: digest_json([judge.digest for judge in suite.tuned.judges])
            for suite in evidence.suites
            if suite.tuned.judges
        },
        gate=evidence.gate.digest,
    )


def differences(signed: Binding, *, now: Binding) -> Iterator[str]:
    """Yield what differs from what was signed, in words.

    Args:
        signed: What the decision was signed over.
        now: What stands now.
    """
    for words, before, after in (
        ("the base model's weights", signed.base_weights, now.base_weights),
        ("the trained weights", signed.weights, now.weights),
        ("the training data", signed.data, now.data),
        ("the gate", signed.gate, now.gate),
    ):
        if before != after:
            yield f"{words} differ: signed over {short(before)}, now {short(after)}"
    for words, before_by, after_by in (
        ("the suite", signed.suites, now.suites),
        ("the judge of", signed.judges, now.judges),
    ):
        for name in sorted(before_by.keys() | after_by.keys()):
            before_one, after_one = before_by.get(name), after_by.get(name)
            if before_one != after_one:
                yield (
                    f"{words} {name} differs: signed over "
                    f"{short(before_one) if before_one else 'none'}, "
                    f"now {short(after_one) if after_one else 'none'}"
                )
    if signed.evidence != now.evidence:
        yield f"the evidence differs: signed over {short(signed.evidence)}"
