"""How a model was made: training, what was measured on the way, and how to make it again."""

from civicbench.pages.document import (
    Block,
    Bullets,
    Caution,
    Cell,
    Code,
    Curve,
    Details,
    Inset,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    code,
    words,
)
from civicbench.pages.wording import (
    format_bytes,
    format_count,
    format_time,
    name_field,
)
from civicbench.registry.evidence import Evidence, Measurements
from civicbench.training.record import CurvePoint, TrainingRecord

_CURVE_ROWS = 40


def describe_training(evidence: Evidence) -> Section:
    """Return how the model was trained, with its settings and its loss curve."""
    if evidence.trained_elsewhere is not None:
        return Section("training", "How it was trained", _describe_elsewhere(evidence))
    run = evidence.training
    return Section(
        "training",
        "How it was trained",
        (
            Pairs(
                (
                    ("Method", words(name_method(run))),
                    ("Rows trained on", words(format_count(run.rows))),
                    ("Passes over the rows", words(f"{run.epochs:g}")),
                    ("Steps", words(format_count(run.steps))),
                    (
                        "Tokens in one pass",
                        words(
                            f"{format_count(run.trained_tokens)} learnt from, "
                            f"{format_count(run.prompt_tokens)} read as prompts"
                        ),
                    ),
                    (
                        "Weights trained",
                        words(
                            f"every weight: {format_count(run.trainable_parameters)}"
                            if run.method == "full"
                            else f"{format_count(run.trainable_parameters)}, beside the base "
                            f"model's {format_count(evidence.base.parameters)}"
                        ),
                    ),
                    ("Seed", words(str(run.seed))),
                )
            ),
            *_curve(run),
            Details(
                "Every training setting",
                (
                    Table(
                        "Training settings",
                        ("Setting", "Value"),
                        tuple(
                            (words(name_field(name)), code(_setting(value)))
                            for name, value in sorted(run.settings.items())
                        ),
                    ),
                ),
            ),
        ),
    )


def _describe_elsewhere(evidence: Evidence) -> tuple[Block, ...]:
    """Return what is known of a training run that nobody here has seen."""
    origin = evidence.trained_elsewhere
    assert origin is not None  # noqa: S101 (the caller looked)
    notes: tuple[Block, ...] = (Bullets(origin.notes),) if origin.notes else ()
    return (
        Caution(
            "This model was trained elsewhere. How, and on what data, was not seen here; its "
            "results were measured here."
        ),
        Pairs(
            (
                ("Where it came from", words(origin.origin)),
                ("What came", words("a whole model" if origin.kind == "full" else "an adapter")),
                ("Weights", words(format_count(evidence.training.trainable_parameters))),
                *((f"Its files say: {name}", words(said)) for name, said in origin.said.items()),
            )
        ),
        *notes,
        Details(
            "Digests of the files as they came",
            (
                Table(
                    "Files",
                    ("File", "Digest"),
                    tuple((code(name), code(digest)) for name, digest in origin.files.items()),
                ),
            ),
        ),
    )


def name_method(run: TrainingRecord) -> str:
    """Return a training method in words, from the settings that tell it from others."""
    settings = run.settings
    if run.method != "lora":
        return "full fine-tuning" if run.method == "full" else run.method
    parts = [
        "DoRA" if settings.get("weight_decomposed") else "LoRA",
        "rank-stabilised (rsLoRA)" if settings.get("rank_stabilised") else "",
        "started as PiSSA" if settings.get("initialisation") == "pissa" else "",
        "with LoRA+" if settings.get("b_learning_rate_ratio", 1.0) != 1.0 else "",
        f"on a base held in {settings['quantisation']}" if settings.get("quantisation") else "",
        "on preference pairs (DPO)" if settings.get("objective") == "dpo" else "",
    ]
    return ", ".join(part for part in parts if part)


def _setting(value: str | int | float | bool | list[str] | None) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _curve(run: TrainingRecord) -> tuple[Subheading | Paragraph | Curve | Details, ...]:
    heading = Subheading("Loss while training")
    if not run.curve:
        return (heading, Paragraph("No loss was recorded."))
    first, last = run.curve[0], run.curve[-1]
    description = (
        "Loss says how far the model's guess of the next token was from the training answer; "
        f"lower is nearer. It was {first.loss:.3f} at step {format_count(first.step)} and "
        f"{last.loss:.3f} at step {format_count(last.step)}."
    )
    if run.held_out_curve:
        held = run.held_out_curve[-1]
        description += (
            f" On rows held out from training it was {held.loss:.3f} at step "
            f"{format_count(held.step)}."
        )
    tables = [_points("Loss on training rows", run.curve)]
    if run.held_out_curve:
        tables.append(_points("Loss on rows held out from training", run.held_out_curve))
    return (
        heading,
        Paragraph(description),
        Curve("Loss by training step", description, run.curve, run.held_out_curve),
        Details("The loss curve as a table", tuple(tables)),
    )


def _points(caption: str, curve: tuple[CurvePoint, ...]) -> Table:
    stride = -(-len(curve) // _CURVE_ROWS)
    shown = curve[::stride]
    if shown[-1] != curve[-1]:
        shown = (*shown, curve[-1])
    rated = any(point.learning_rate is not None for point in curve)
    return Table(
        caption if stride == 1 else f"{caption} (not every recorded step is shown)",
        ("Step", "Loss", "Learning rate") if rated else ("Step", "Loss"),
        tuple(
            (words(format_count(point.step)), words(f"{point.loss:.4f}"), *_rate(point, rated))
            for point in shown
        ),
    )


def _rate(point: CurvePoint, rated: bool) -> tuple[Cell, ...]:
    if not rated:
        return ()
    return (words("-" if point.learning_rate is None else f"{point.learning_rate:.3g}"),)


def describe_measurements(measurements: Measurements, *, trained_here: bool) -> Section:
    """Return time, memory and machine, marked as what no digest covers.

    Args:
        measurements: What was measured on the way.
        trained_here: Whether training is among it.
    """
    training = measurements.training
    resumed = training.resumed_from_step
    interrupted = "no" if resumed is None else f"yes, went on from step {format_count(resumed)}"
    trained = (
        ("Trained on", words(training.machine)),
        ("Training time", words(format_time(training.wall_time_s))),
        ("Training speed", words(f"{training.tokens_per_second:,.0f} tokens a second")),
        ("Peak memory", words(format_bytes(training.peak_memory_bytes))),
        ("Interrupted", words(interrupted)),
    )
    return Section(
        "measurements",
        "Time and memory",
        (
            Inset(
                "These figures vary from run to run and from machine to machine. They are no part "
                "of the evidence's digest."
            ),
            Pairs(
                (
                    ("Machine", words(measurements.machine)),
                    *(trained if trained_here else ()),
                    *(
                        (f"Stage {name_field(name)}", words(format_time(seconds)))
                        for name, seconds in measurements.stage_times_s.items()
                    ),
                )
            ),
        ),
    )


def describe_reproduction(evidence: Evidence) -> Section:
    """Return the one command that makes the version again, and what it has to match."""
    recipe, run, base = evidence.recipe, evidence.training, evidence.base
    digests = [
        ("Evidence (this card)", evidence.digest),
        ("Recipe", recipe.digest),
        ("Base model's weights", run.base_weights_digest),
        ("Base model's tokenizer", base.tokenizer_digest),
        ("Chat template", run.template_digest),
        ("Training data", run.snapshot_digest),
        *((f"Mixed in: {mixed.dataset.name}", mixed.dataset.digest) for mixed in evidence.mixed),
        ("Trained model" if run.method == "full" else "Trained adapter", run.adapter_digest),
        ("Gate", evidence.gate.digest),
    ]
    for suite in evidence.suites:
        digests.append((f"{suite.title}: items", suite.tuned.items_digest))
        digests.append((f"{suite.title}: prompts", suite.tuned.prompts_digest))
    return Section(
        "reproduce",
        "How to make it again",
        (
            Paragraph("With the versions below, this command makes the same version again:"),
            Code(recipe.reproduce, "sh"),
            Paragraph("Each part is named by its sha256 digest. Equal digests mean equal content."),
            Table(
                "Digests of the parts",
                ("Part", "Digest"),
                tuple((words(name), code(digest)) for name, digest in digests),
            ),
            Details("The recipe, with everything filled in", (Code(recipe.resolved, "yaml"),)),
        ),
    )


def describe_packages(evidence: Evidence) -> Section:
    """Return the software that shaped the result, by what it was used for."""
    training = evidence.training.packages
    evaluation: dict[str, set[str]] = {}
    for suite in evidence.suites:
        for result in (suite.base, suite.tuned):
            for name, version in result.packages.items():
                evaluation.setdefault(name, set()).add(version)
    names = sorted({*training, *evaluation})
    return Section(
        "versions",
        "Versions of the software",
        (
            Pairs((("Civicbench", code(evidence.training.code_version)),)),
            Table(
                "Packages",
                ("Package", "In training", "In evaluation"),
                tuple(
                    (
                        words(name),
                        code(training[name]) if name in training else words("-"),
                        code(", ".join(sorted(evaluation[name])))
                        if name in evaluation
                        else words("-"),
                    )
                    for name in names
                ),
            ),
        ),
    )
