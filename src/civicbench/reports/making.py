"""How the scores came about: judges, noise, speed, and where everything is from."""

from collections.abc import Callable, Sequence

from civicbench.evaluation.results import SuiteResult
from civicbench.pages.document import (
    Block,
    Cell,
    Code,
    Details,
    Paragraph,
    Section,
    Table,
    Words,
    code,
    number,
    words,
)
from civicbench.pages.wording import format_bytes, format_count, format_time
from civicbench.reports.report import Report, SuiteText, task_title

_ABSENT = "\N{EN DASH}"
_SAME = "the same"
Facts = Callable[[SuiteResult], Cell]


def describe_judges(report: Report) -> Section:
    """Return who judged the answers: in every suite of today it is code."""
    suites = ", ".join(suite.title for suite in report.suites)
    text = (
        f"Answers of {suites} are compared by code with the right answers that the suites hold. "
        "No model and no person judges them, so there is no agreement between judges to report."
    )
    return Section("judges", "Agreement of judges", (Paragraph(text),))


def describe_noise(report: Report) -> Section:
    """Return how far repeats of the same evaluation lie apart."""
    if not report.noise:
        text = (
            "Not measured. Other batches and numbers of threads can move scores a little; "
            "civicbench evaluate RECIPE --repeats 3 measures by how much."
        )
        return Section("noise", "Noise", (Paragraph(text),))
    rows = tuple(
        (
            words(f"{report.suite_title(fact.suite)}: {task_title(fact.title, fact.metric)}"),
            words(fact.role),
            number(f"{fact.lowest:.4f}"),
            number(f"{fact.highest:.4f}"),
            number(f"{fact.changed_items:,} of {fact.items:,}"),
            number(f"{fact.log_likelihood_range:.2g}"),
        )
        for fact in report.noise
    )
    head = (
        "Measure",
        "Model",
        "Lowest",
        "Highest",
        "Items that changed",
        "Log-likelihoods apart (nats)",
    )
    return Section(
        "noise",
        "Noise",
        (
            Paragraph(
                "The same models on the same items again, in other batches and with other numbers "
                "of threads. A difference smaller than this may be noise alone."
            ),
            Table("How far repeats lie apart", head, rows),
        ),
    )


def describe_speed(report: Report) -> Section:
    """Return how long scoring took and how much of the work could be shared."""
    work, machines = [], []
    for suite in report.suites:
        for model in report.models:
            if suite.name not in model.suites:
                continue
            taken = model.suites[suite.name].measurements
            if taken is None:
                continue
            who = (Words(suite.title), Words(model.label, "hint"))
            work.append(
                (
                    who,
                    number(f"{taken.items_per_second:,.1f}"),
                    number(format_time(taken.wall_time_s)),
                    number(format_count(taken.computed_tokens)),
                    number(format_count(taken.prompt_tokens)),
                    number(format_count(taken.items_found)),
                )
            )
            machines.append(
                (
                    who,
                    words(taken.machine),
                    number(format_count(taken.processes)),
                    number(format_bytes(taken.peak_memory_bytes)),
                )
            )
    if not work:
        return Section("speed", "Speed", (Paragraph("Times were not kept with these scores."),))
    return Section(
        "speed",
        "Speed",
        (
            Paragraph(
                "These figures vary from run to run and from machine to machine. What prompts "
                "share is computed once, so fewer tokens are computed than all prompts and "
                "choices hold. Requests that were found answered were not asked again."
            ),
            Table(
                "Time and work",
                (
                    "Suite and model",
                    "Items a second",
                    "Time",
                    "Tokens computed",
                    "Tokens of all prompts and choices",
                    "Requests found answered",
                ),
                tuple(work),
            ),
            Table(
                "Machines",
                ("Suite and model", "Machine", "Processes", "Peak memory"),
                tuple(machines),
            ),
        ),
    )


def describe_provenance(report: Report) -> Section:
    """Return what was scored, by digests and versions, and the command for this report."""
    blocks: list[Block] = [
        Paragraph("This command makes the report again:"),
        Code(report.command, "sh"),
        Paragraph(
            "Every part is named by its sha256 digest: equal digests mean equal content. All "
            "scores can be computed again from the stored answers with civicbench scores verify."
        ),
        Table(
            "Models",
            ("Model", "Digest of what was scored"),
            tuple((words(model.label), code(model.digest)) for model in report.models),
        ),
    ]
    blocks.extend(_suite(report, suite) for suite in report.suites)
    return Section("provenance", "Where it comes from", tuple(blocks))


def _suite(report: Report, suite: SuiteText) -> Details:
    models = [model for model in report.models if suite.name in model.suites]
    results = [model.suites[suite.name].result for model in models]
    facts: list[tuple[str, Facts]] = [
        ("Items", lambda r: code(r.items_digest)),
        ("Prompts", lambda r: code(r.prompts_digest)),
        ("Proof that prompts are training's", lambda r: code(r.prompt_proof_digest)),
        ("Weights of the base model", lambda r: code(r.weights_digest)),
        ("Adapter", lambda r: code(r.adapter_digest) if r.adapter_digest else words("none")),
        ("Tokenizer", lambda r: code(r.tokenizer_digest)),
        ("Chat template", lambda r: code(r.template_digest)),
        ("Number format", lambda r: words(r.precision)),
        ("Device", lambda r: words(r.device)),
        ("Scorer", lambda r: words(r.engine)),
        ("Seed of the draws for intervals", lambda r: words(str(r.seed))),
        ("Differs from training on purpose", lambda r: _list(r.differences_from_training)),
    ]
    rows = [(words(name), *_once([fact(result) for result in results])) for name, fact in facts]
    packages = sorted({name for result in results for name in result.packages})
    rows += [
        (words(name), *_once([code(result.packages.get(name, _ABSENT)) for result in results]))
        for name in packages
    ]
    head = ("What", *(model.label for model in models))
    table = Table(f"{suite.title}: what was scored", head, tuple(rows))
    return Details(f"Digests and versions of {suite.title}", (table,))


def _once(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return cells of which those that equal the first one say so."""
    first, *others = cells
    same = (Words(_SAME, "hint"),)
    return (first, *(same if cell == first else cell for cell in others))


def _list(texts: tuple[str, ...]) -> Cell:
    return tuple(Words(text) for text in texts) or words("nothing")
