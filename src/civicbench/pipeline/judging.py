"""Judges of written answers for a recipe's suites: made ready once, judge models loaded late."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from civicbench.core.digests import digest_json
from civicbench.core.environment import package_versions
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.judge import Judge
from civicbench.evaluation.judges.preparing import judge_names, prepare_judge
from civicbench.evaluation.judges.settings import JudgeSettings, ModelJudging
from civicbench.evaluation.scoring import RESPONSES_NAME
from civicbench.evaluation.suites import Suite
from civicbench.models.catalogue import load_model_entry
from civicbench.models.loading import device_name
from civicbench.models.prepare import prepare_model
from civicbench.models.rendering import Message, load_renderer

if TYPE_CHECKING:
    from civicbench.evaluation.scorer.language_model import EngineLM

_COMPUTING_PACKAGES = ("lm-eval", "tokenizers", "torch", "transformers")


def prepare_judges(
    suites: Iterable[Suite], *, workspace: Workspace, reporter: Reporter
) -> dict[str, Judge]:
    """Return the judges that some suites name, by name; built first where they do not stand ready.

    Raises:
        CivicbenchError: A judge's files or its model are absent, or not what was pinned.
    """

    def give(settings: JudgeSettings) -> "EngineLM":
        return judge_model(settings, workspace=workspace, reporter=reporter)

    names = dict.fromkeys(name for suite in suites for name in judge_names(suite.settings))
    return {
        name: prepare_judge(name, workspace=workspace, reporter=reporter, give_model=give)
        for name in names
    }


def judge_model(settings: JudgeSettings, *, workspace: Workspace, reporter: Reporter) -> "EngineLM":
    """Return a judge's model, loaded; what it answers is kept beside all other models' answers."""
    from civicbench.evaluation.scorer.engines import LocalEngine
    from civicbench.evaluation.scorer.host import HostSettings, ModelHost
    from civicbench.evaluation.scorer.language_model import EngineLM
    from civicbench.evaluation.scorer.responses import ResponseStore

    judging = settings.judging
    assert isinstance(judging, ModelJudging)  # noqa: S101 (only such a judge asks for a model)
    prepared = prepare_model(
        load_model_entry(judging.model), workspace=workspace, reporter=reporter
    )
    renderer = load_renderer(prepared)
    probe = renderer.encode(renderer.render_prompt([Message(role="user", content="a")]))
    host = ModelHost(
        prepared,
        HostSettings(
            precision=judging.precision,
            quantisation=None,
            spread=False,
            adapters={},
            probe=probe,
        ),
    )
    model = digest_json(
        {
            "judge": settings.digest,
            "weights": prepared.record.weights_digest,
            "precision": judging.precision,
            "device": device_name(),
            "packages": package_versions(_COMPUTING_PACKAGES),
        }
    )
    return EngineLM(
        LocalEngine(host.select(None), renderer),
        renderer=renderer,
        context_length_tokens=prepared.record.context_length_tokens,
        reporter=reporter,
        responses=ResponseStore(workspace.scores / RESPONSES_NAME, model=model),
    )
