import re
from pathlib import Path
from typing import Any

import pytest
from tests.pages.page import Page, with_every_duty
from tests.registry.factory import make_evidence

from civicbench.cards.card import write_card
from civicbench.cards.html import render_html
from civicbench.cards.markdown import render_markdown
from civicbench.core.errors import PartAbsentError
from civicbench.evaluation.results import Comparison, Estimate, SliceComparison
from civicbench.pages import stylesheet
from civicbench.pages.stylesheet import check_assets
from civicbench.pages.wording import format_bytes, format_time
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.registry.gates import judge

_NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
# "95% interval", "95 times in 100", "0.5 (50%) is the ideal", and the version's number.
_TYPED = {"95", "100", "0.5", "50", "3"}


def _text(evidence: Evidence, measurements: Measurements) -> str:
    html = render_html(evidence, measurements, state="evaluated", number=3)
    return Page.read(html).text(of="main")


def _numbers(value: Any) -> set[str]:
    """Return every way in which the numbers of a value may be written."""
    if isinstance(value, dict):
        return set().union(*map(_numbers, value), *map(_numbers, value.values()))
    if isinstance(value, list):
        return set().union(*map(_numbers, value))
    if isinstance(value, str):
        return set(_NUMBER.findall(value))
    if isinstance(value, bool) or value is None:
        return set()
    size = abs(value)
    written = {f"{size * 100:.{d}f}" for d in range(1, 5)} if size <= 1 else set()
    spellings = (f"{size:,}", f"{size:g}", f"{size:.3f}", f"{size:.4f}", f"{size:.3g}", str(size))
    return written.union(*(_NUMBER.findall(spelling) for spelling in spellings))


def test_every_number_on_the_card_comes_from_the_evidence() -> None:
    evidence, measurements = make_evidence(seed=7)
    training = measurements.training
    times = (training.wall_time_s, *measurements.stage_times_s.values())
    known = _numbers(evidence.model_dump(mode="json")) | _numbers(
        measurements.model_dump(mode="json")
    )
    known |= {n for seconds in times for n in _NUMBER.findall(format_time(seconds))}
    known |= set(_NUMBER.findall(format_bytes(training.peak_memory_bytes)))
    known |= {f"{training.tokens_per_second:,.0f}", *_NUMBER.findall(evidence.digest)}
    # The picture's axis and the names in it are drawn from the same curve; its table is checked.
    html = re.sub(r"<svg.*?</svg>", "", _html(evidence, measurements), flags=re.DOTALL)
    shown = set(_NUMBER.findall(Page.read(html).text(of="main")))
    assert shown - known - _TYPED == set()


def _html(evidence: Evidence, measurements: Measurements) -> str:
    return render_html(evidence, measurements, state="evaluated", number=3)


@pytest.mark.parametrize("seed", [0, 1])
def test_every_headline_result_stands_in_both_renderings(seed: int) -> None:
    evidence, measurements = make_evidence(seed=seed)
    html = _text(evidence, measurements)
    markdown = render_markdown(evidence, measurements, state="evaluated", number=3)
    headline = [comparison for comparison in evidence.comparisons if comparison.headline]
    assert headline
    short = markdown.split("**Results in short**")[1].split("<details>")[0]
    rows = [line for line in short.splitlines() if line.startswith("| ")][2:]
    for row, comparison in zip(rows, headline, strict=True):
        cells = [f"{comparison.tuned.items:,}"]
        for estimate in (comparison.base, comparison.tuned):
            value, low, high = (
                f"{n * 100:.1f}%" for n in (estimate.value, estimate.low, estimate.high)
            )
            assert f"{value} ({low} to {high})" in html
            cells.append(f"{value}<br>({low} to {high})")
        change = comparison.difference
        value, low, high = (
            f"{n * 100:+.1f}".replace("-", "−") for n in (change.value, change.low, change.high)
        )
        assert f"{value} points ({low} to {high})" in html
        cells.extend((f"{value} points<br>({low} to {high})", f"**{comparison.verdict}**"))
        assert row.startswith(f"| {comparison.title}<br>")
        assert row.endswith(f" | {' | '.join(cells)} |")
    assert evidence.digest in html
    assert evidence.digest in markdown
    assert evidence.recipe.reproduce in html
    assert evidence.recipe.reproduce in markdown


def test_a_gate_that_is_not_met_is_said_first_and_named() -> None:
    met, not_met = (_text(*make_evidence(gate_passes=passes)) for passes in (True, False))
    warning = "does not meet the gate ‘Advice to advisers’. Rules not met: domain gain."
    assert warning in not_met
    assert not_met.index(warning) < not_met.index("It may be used to")
    assert "does not meet" not in met
    assert "Gate Advice to advisers met" in met
    assert "Gate Advice to advisers not met" in not_met


def test_a_rule_without_a_measurement_reads_as_not_measured_and_not_met() -> None:
    evidence, measurements = make_evidence()
    rules = tuple(
        verdict.model_copy(update={"measured": None, "base": None, "passed": False})
        for verdict in evidence.gate.rules
    )
    gate = evidence.gate.model_copy(update={"rules": rules})
    text = _text(evidence.model_copy(update={"gate": gate, "comparisons": ()}), measurements)
    assert text.count("not measured") == 2 * len(rules)
    assert "enquiry-triage, area, accuracy" in text
    assert "No headline result was measured." in text
    assert "No safety suite was run" in text


def test_a_near_miss_never_reads_as_the_threshold_itself() -> None:
    evidence, measurements = make_evidence()
    rule = evidence.gate.rules[2].rule.model_copy(update={"at_most": 0.2})
    close = Estimate(value=0.15, low=0.1, high=0.20004, items=40, method="Wilson")
    verdict = evidence.gate.rules[2].model_copy(
        update={"rule": rule, "measured": close, "passed": False}
    )
    gate = evidence.gate.model_copy(update={"rules": (verdict,)})
    text = _text(evidence.model_copy(update={"gate": gate}), measurements)
    assert "is at most 20.0%" in text
    assert "15.000% (10.000% to 20.004%)" in text


def test_losses_stand_before_gains_whatever_their_order() -> None:
    evidence, measurements = make_evidence()
    first = evidence.comparisons[0]
    turned = first.model_copy(update={"flips": tuple(reversed(first.flips))})
    text = _text(evidence.model_copy(update={"comparisons": (turned,)}), measurements)
    assert text.index("area-000") < text.index("area-002")
    assert text.index("area-001") < text.index("area-002")


@pytest.mark.parametrize(
    ("better", "order"),
    [("higher", "a b c"), ("lower", "c b a"), ("half", "c a b")],
)
def test_the_worst_group_stands_first(better: str, order: str) -> None:
    evidence, measurements = make_evidence()
    values = {"a": 0.2, "b": 0.5, "c": 0.9}
    slices = tuple(_slice(name, tuned=value) for name, value in values.items())
    comparison = evidence.comparisons[0].model_copy(update={"better": better, "slices": slices})
    text = _text(evidence.model_copy(update={"comparisons": (comparison,)}), measurements)
    places = {name: text.index(f"part: {name}") for name in values}
    assert sorted(values, key=lambda name: places[name]) == order.split()


def _slice(name: str, *, tuned: float) -> SliceComparison:
    return SliceComparison(
        field="part",
        value=name,
        base=_estimate(0.4),
        tuned=_estimate(tuned),
        difference=Estimate(value=tuned - 0.4, low=-0.9, high=0.9, items=9, method="by hand"),
    )


def _estimate(value: float) -> Estimate:
    return Estimate(value=value, low=0.1, high=0.95, items=9, method="Wilson")


def test_only_the_worst_groups_are_shown_unfolded() -> None:
    evidence, measurements = make_evidence()
    slices = tuple(_slice(f"n{n}", tuned=n / 100) for n in range(20, 32))
    comparison = evidence.comparisons[0].model_copy(update={"slices": slices})
    page = Page.read(
        _html(evidence.model_copy(update={"comparisons": (comparison,)}), measurements)
    )
    unfolded = [text for path, text in page.texts if "details" not in path]
    shown = [t for t in unfolded if t.startswith("part: ")]
    # Three on the first page, five in full below.
    assert shown == [f"part: n{n}" for n in (20, 21, 22, *range(20, 25))]
    assert "part: n31" in page.text(of="details")


@pytest.mark.parametrize(("name", "kept"), [("Llama-triage", True), ("triage", False)])
def test_duties_of_a_llama_licence_are_shown_and_checked(name: str, kept: bool) -> None:
    evidence, measurements = make_evidence(model_name=name)
    page = Page.read(_html(with_every_duty(evidence), measurements))
    text = page.text(of="main")
    assert text.index("Built with Llama") < text.index("The decision asked for")
    assert "Llama is licensed under its licence." in text
    assert f"begin with Llama {'met' if kept else 'not met'}" in text
    assert "https://policy.invalid/" in [a.get("href") for a in page.named("a")]


def test_the_ideal_of_one_half_is_explained_only_where_it_applies() -> None:
    evidence, measurements = make_evidence()
    assert "For Stereotyped sentences preferred, neither a high" in _text(evidence, measurements)
    rest = tuple(c for c in evidence.comparisons if c.better != "half")
    without = evidence.model_copy(update={"comparisons": rest})
    assert "is the ideal" not in _text(without, measurements)


@pytest.mark.parametrize("part", ["items_digest", "prompts_digest"])
def test_models_that_were_asked_other_things_are_not_said_to_be_comparable(part: str) -> None:
    evidence, measurements = make_evidence()
    first, *rest = evidence.suites
    odd = first.model_copy(update={"tuned": first.tuned.model_copy(update={part: "0" * 64})})
    text = _text(evidence.model_copy(update={"suites": (odd, *rest)}), measurements)
    assert f"may not be compared: {first.title}." in text
    assert "were asked the same items" in _text(evidence, measurements)
    assert "were asked the same items" not in text


def test_values_beyond_one_are_not_percentages() -> None:
    evidence, measurements = make_evidence()
    wide = Estimate(value=3.25, low=2.5, high=4.0, items=80, method="bootstrap")
    plain = evidence.comparisons[0].model_copy(
        update={"base": wide, "tuned": wide, "difference": wide.model_copy(update={"low": -1.5})}
    )
    text = _text(_with(evidence, plain), measurements)
    assert "3.25 (2.5 to 4)" in text
    assert "+3.25 (−1.5 to +4)" in text


def _with(evidence: Evidence, comparison: Comparison) -> Evidence:
    return evidence.model_copy(update={"comparisons": (comparison,)})


def test_a_run_without_a_curve_still_has_a_card() -> None:
    evidence, measurements = make_evidence()
    training = evidence.training.model_copy(update={"curve": (), "held_out_curve": ()})
    text = _text(evidence.model_copy(update={"training": training}), measurements)
    assert "No loss was recorded." in text


def test_a_long_curve_is_thinned_in_the_table_but_keeps_its_end() -> None:
    evidence, measurements = make_evidence()
    point = evidence.training.curve[0]
    curve = tuple(point.model_copy(update={"step": n + 1, "loss": 1 + n / 1e4}) for n in range(997))
    training = evidence.training.model_copy(update={"curve": curve, "held_out_curve": ()})
    page = Page.read(_html(evidence.model_copy(update={"training": training}), measurements))
    table = page.text(of="details")
    assert "not every recorded step is shown" in table
    assert "997 Loss 1.0996" in table
    assert table.count(" Learning rate 0.000482") < 45


def test_both_files_are_written(tmp_path: Path) -> None:
    evidence, measurements = make_evidence()
    paths = write_card(
        tmp_path / "new", evidence=evidence, measurements=measurements, state="draft", number=2
    )
    assert paths.html.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert paths.markdown.read_text(encoding="utf-8").startswith("---\nlicense: ")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["card.html", "card.md"]


@pytest.mark.parametrize("content", [None, " \n"])
def test_without_the_stylesheet_nothing_is_written(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "govuk.css"
    if content is not None:
        absent.write_text(content)
    monkeypatch.setattr(stylesheet, "STYLESHEET", absent)
    with pytest.raises(PartAbsentError, match="make assets"):
        check_assets()
    evidence, measurements = make_evidence()
    with pytest.raises(PartAbsentError):
        write_card(
            tmp_path / "card",
            evidence=evidence,
            measurements=measurements,
            state="draft",
            number=1,
        )
    assert not (tmp_path / "card").exists()


def test_the_verdict_shown_is_the_gates_own() -> None:
    evidence, measurements = make_evidence()
    strict = tuple(
        v.rule.model_copy(update={"at_least": None, "at_most": -0.9, "judged_by": "estimate"})
        for v in evidence.gate.rules[:1]
    )
    from civicbench.registry.gates import Gate

    gate = judge(Gate(name="g", title="G", rules=strict), evidence.comparisons, digest="0" * 64)
    text = _text(evidence.model_copy(update={"gate": gate}), measurements)
    assert "is at most −90.0 points" in text
    assert "Gate G not met" in text


def test_a_model_that_answers_as_its_base_on_every_item_is_said_to() -> None:
    evidence, measurements = make_evidence()
    first, *others = evidence.comparisons
    alike = first.model_copy(update={"identical_items": first.difference.items})
    assert "on every item" not in _text(evidence, measurements)
    text = _text(evidence.model_copy(update={"comparisons": (alike, *others)}), measurements)
    assert f"item of these tests: {first.title}." in text


def test_a_rule_that_noise_forbids_says_why() -> None:
    evidence, measurements = make_evidence()
    first, *others = evidence.gate.rules
    noted = first.model_copy(update={"passed": False, "note": "Tighter than the noise."})
    gate = evidence.gate.model_copy(update={"rules": (noted, *others)})
    text = _text(evidence.model_copy(update={"gate": gate}), measurements)
    assert "not met Tighter than the noise." in text
