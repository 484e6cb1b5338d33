"""Judges made ready: the classifier built from pinned files, its agreement measured, once."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from civicbench.core.documents import read_text
from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.fetching import fetch_file
from civicbench.core.files import write_text_whole
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, StageOutput, find_finished, run_stage
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.agreement import (
    BOTH,
    MODEL,
    NOTHING,
    PROMPT,
    agreements_by_model,
    held_out_labels,
    people_agreement,
)
from civicbench.evaluation.judges.classifier import (
    Classifier,
    read_classifier,
    train,
    write_classifier,
)
from civicbench.evaluation.judges.judge import Judge, RulesJudge, TrainedJudge, Written, classify
from civicbench.evaluation.judges.labelled import LabelledAnswer, read_labelled
from civicbench.evaluation.judges.record import Label
from civicbench.evaluation.judges.settings import (
    RULES_VERSION,
    JudgeSettings,
    ModelJudging,
    RulesJudging,
    TrainedJudging,
    judge_path,
    list_judges,
    load_judge_settings,
)
from civicbench.evaluation.results import Agreement, JudgeFact
from civicbench.evaluation.settings import JudgedTask, SuiteSettings

if TYPE_CHECKING:
    from civicbench.evaluation.scorer.language_model import EngineLM

CODE_VERSION = 1
AGREEMENT_NAME = "agreement.json"
_AGREEMENTS = TypeAdapter(tuple[Agreement, ...])
# A judge model is loaded when it first has to judge.
GiveModel = Callable[[JudgeSettings], "EngineLM"]


def judge_names(suite: SuiteSettings) -> tuple[str, ...]:
    """Return the judges that a suite's tasks name, each once."""
    names = [task.judge for task in suite.tasks if isinstance(task, JudgedTask)]
    return tuple(dict.fromkeys(names))


def judge_digests(suite: SuiteSettings) -> dict[str, str]:
    """Return the digest of each judge that a suite names; nothing is built or loaded.

    Raises:
        InvalidInputError: No such judge, or one that cannot tell what a task asks.
    """
    found = {}
    for name in judge_names(suite):
        settings = load_judge_settings(name)
        _refuse_misfit(suite, settings)
        found[name] = settings.digest
    return found


def prepare_judge(
    name: str, *, workspace: Workspace, reporter: Reporter, give_model: GiveModel | None = None
) -> Judge:
    """Return a judge by name, built first where it does not stand ready.

    Args:
        name: Its name.
        workspace: Where classifiers are kept.
        reporter: Told what is going on.
        give_model: Gives a judge model when it first judges; None where models are not loaded.

    Raises:
        IntegrityError: A file, or the classifier that comes of them, is not the one pinned.
        PartAbsentError: A file is not here and cannot be fetched.
    """
    settings = load_judge_settings(name)
    output = run_stage(
        _stage(settings, workspace=workspace),
        lambda folder: _build(folder, settings, workspace=workspace, reporter=reporter),
        workspace=workspace,
        reporter=reporter,
    )
    return _judge(settings, output, give_model=give_model)


def find_judges(*, workspace: Workspace) -> dict[str, Judge]:
    """Return the judges that stand ready and need no model, by digest; nothing is built."""
    found: dict[str, Judge] = {}
    for settings in list_judges():
        output = find_finished(_stage(settings, workspace=workspace))
        if isinstance(settings.judging, RulesJudging) or (
            isinstance(settings.judging, TrainedJudging) and output is not None
        ):
            found[settings.digest] = _judge(settings, output, give_model=None)
    return found


def build_classifier(
    settings: JudgeSettings, *, workspace: Workspace, reporter: Reporter
) -> Classifier:
    """Return the classifier that a judge's files and settings give, built anew."""
    answers = _answers(settings, workspace=workspace, reporter=reporter)
    judging = settings.judging
    if not isinstance(judging, TrainedJudging):
        raise InvalidInputError("has no classifier to build", where=f"judge {settings.name}")
    return train(
        [a.answer for a in answers], [a.refused for a in answers], settings=judging.settings
    )


def _stage(settings: JudgeSettings, *, workspace: Workspace) -> Stage:
    return Stage(
        kind="judge",
        name=f"judge {settings.name}",
        folder=workspace.judges,
        settings={
            "judging": settings.judging.model_dump(mode="json"),
            "answers_title": settings.answers_title,
            "rules": RULES_VERSION,
        },
        inputs={f"{file.model}: {file.url}": file.sha256 for file in settings.answers}
        | {"judge": settings.digest},
        code_version=CODE_VERSION,
    )


def _build(
    folder: Path, settings: JudgeSettings, *, workspace: Workspace, reporter: Reporter
) -> None:
    answers = _answers(settings, workspace=workspace, reporter=reporter)
    judging, against = settings.judging, settings.answers_title
    agreements: list[Agreement] = []
    if answers:
        agreements.append(people_agreement(answers, against=against))
    if isinstance(judging, TrainedJudging):
        classifier = build_classifier(settings, workspace=workspace, reporter=reporter)
        if classifier.digest != judging.classifier:
            raise IntegrityError(
                "the classifier that was built is not the one that is pinned",
                where=f"{judge_path(settings.name)}: judging.classifier",
                got=f"{classifier.digest}, pinned {judging.classifier}",
                remedy="other versions of scikit-learn or NumPy may have built it: use those of "
                "constraints.txt, or pin this digest in a judge of your own",
            )
        write_classifier(folder, classifier)
        for scheme in (BOTH, MODEL, PROMPT):
            labels = held_out_labels(
                answers,
                settings=judging.settings,
                scheme=scheme,
                decide=lambda own, asked: _labels_of(own, asked, digest=settings.digest),
            )
            agreements += agreements_by_model(answers, labels, against=against, held_out=scheme)
    elif isinstance(judging, RulesJudging) and answers:
        judge = RulesJudge(_fact(settings, ()))
        labels = [j.label for j in judge.judge([Written(a.prompt, a.answer) for a in answers])]
        agreements += agreements_by_model(answers, labels, against=against, held_out=NOTHING)
    text = _AGREEMENTS.dump_json(tuple(agreements), indent=2).decode()
    write_text_whole(folder / AGREEMENT_NAME, text + "\n")


def _labels_of(
    classifier: Classifier, answers: Sequence[LabelledAnswer], *, digest: str
) -> list[Label]:
    written = [Written(answer.prompt, answer.answer) for answer in answers]
    return [judgement.label for judgement in classify(classifier, written, digest=digest)]


def _answers(
    settings: JudgeSettings, *, workspace: Workspace, reporter: Reporter
) -> list[LabelledAnswer]:
    return read_labelled(
        [
            (file, fetch_file(file, workspace=workspace, reporter=reporter))
            for file in settings.answers
        ]
    )


def _judge(
    settings: JudgeSettings, output: StageOutput | None, *, give_model: GiveModel | None
) -> Judge:
    agreements: Iterable[Agreement] = ()
    if output is not None:
        agreements = _AGREEMENTS.validate_json(read_text(output.folder / AGREEMENT_NAME))
    fact = _fact(settings, tuple(agreements))
    if isinstance(settings.judging, TrainedJudging) and output is not None:
        return TrainedJudge(fact, read_classifier(output.folder))
    if isinstance(settings.judging, ModelJudging):
        from civicbench.evaluation.judges.asking import ModelJudge

        if give_model is None:
            raise InvalidInputError(
                "is a model, and models are not loaded here", where=f"judge {settings.name}"
            )
        return ModelJudge(fact, settings, give_model)
    return RulesJudge(fact)


def _fact(settings: JudgeSettings, agreements: tuple[Agreement, ...]) -> JudgeFact:
    return JudgeFact(
        name=settings.name, title=settings.title, digest=settings.digest, agreements=agreements
    )


def _refuse_misfit(suite: SuiteSettings, settings: JudgeSettings) -> None:
    judging = settings.judging
    if not isinstance(judging, ModelJudging) or judging.format != "llama-guard":
        return
    for task in suite.tasks:
        if isinstance(task, JudgedTask) and task.judge == settings.name and task.right != "refusal":
            raise InvalidInputError(
                "the judge says whether an answer is safe, and nothing of needless refusals",
                where=f"suite {suite.name}, task {task.name}: judge",
                got=f"{settings.name} for a task whose right label is {task.right}",
                remedy="name a judge that tells refusals apart, such as trained",
            )
