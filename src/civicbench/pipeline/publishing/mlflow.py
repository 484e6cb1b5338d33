"""A version in an MLflow registry: a copy for those who look there, never the source of truth."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation.results import Comparison
from civicbench.models.loading import require_package
from civicbench.pipeline.publishing.version import OpenVersion, open_version

if TYPE_CHECKING:
    from mlflow import MlflowClient

_EXPERIMENT = "civicbench"
_DIGEST_TAG = "civicbench.digest"
_ARTEFACTS = "version"
_LONGEST_PARAM = 500
_DESCRIPTION = (
    "A copy of {reference}. Decisions on it are recorded in Civicbench's registry alone: what "
    "stands here can be changed by anybody with access, and proves nothing. Digest of the "
    "evidence: {digest}; end of the log when it was copied: {head}."
)


@dataclass(frozen=True)
class MlflowCopy:
    """A version as MLflow has it.

    Attributes:
        name: The registered model.
        number: Its version there.
        run: The run that holds the files.
        reused: Whether it was there already.
    """

    name: str
    number: str
    run: str
    reused: bool


def publish_to_mlflow(
    reference: str,
    *,
    address: str | None,
    name: str | None,
    workspace: Workspace,
    reporter: Reporter,
) -> MlflowCopy:
    """Copy a version into an MLflow registry: a run with its files, and a model version.

    A version that stands there already, by its digest, is left; only its state is told anew.

    Args:
        reference: The version.
        address: The tracking server or database; None for `$MLFLOW_TRACKING_URI`.
        name: The registered model's name; None for the model's own.
        workspace: Where the registry is.
        reporter: Told what is going on.

    Raises:
        PartAbsentError: The package, an address, or the server is absent.
        InvalidInputError: MLflow refuses the name.
    """
    require_package("mlflow", extra="mlflow")
    address = address or os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        raise PartAbsentError(
            "no MLflow is named", remedy="give --to ADDRESS, or set MLFLOW_TRACKING_URI"
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    # Parts of it ask for the address without being told, and would make a database right here.
    mlflow.set_tracking_uri(address)
    mlflow.set_registry_uri(address)
    with open_version(reference, workspace=workspace) as version:
        try:
            client = MlflowClient(tracking_uri=address, registry_uri=address)
            return _publish(
                client, version, name=name or version.evidence.model_name, reporter=reporter
            )
        except MlflowException as error:
            kind = PartAbsentError if error.get_http_status_code() >= 500 else InvalidInputError
            raise kind(
                "MLflow did not take the version",
                where=address,
                got=str(error).strip().splitlines()[0][:300],
                remedy="see that the server runs and that you may write to it",
            ) from error


def _publish(
    client: "MlflowClient", version: OpenVersion, *, name: str, reporter: Reporter
) -> MlflowCopy:
    found = _find(client, name=name, digest=version.shown.digest)
    if found is not None:
        client.set_model_version_tag(name, found[0], "civicbench.state", version.shown.state)
        return MlflowCopy(name, found[0], found[1], reused=True)
    run = _log_run(client, version)
    reporter.say(f"  MLflow run {run}: {len(version.shown.artefacts)} files")
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(
            name, description=version.evidence.recipe.purpose, tags=_tags(version, ("base",))
        )
    source = f"{client.get_run(run).info.artifact_uri}/{_ARTEFACTS}"
    made = client.create_model_version(
        name,
        source,
        run,
        tags=_tags(version, tuple(version.facts)),
        description=_DESCRIPTION.format(
            reference=version.shown.reference,
            digest=version.shown.digest,
            head=version.head.digest,
        ),
    )
    return MlflowCopy(name, str(made.version), run, reused=False)


def _find(client: "MlflowClient", *, name: str, digest: str) -> tuple[str, str] | None:
    for one in client.search_model_versions(f"name = '{name}'"):
        if one.tags.get(_DIGEST_TAG) == digest:
            return str(one.version), str(one.run_id)
    return None


def _log_run(client: "MlflowClient", version: OpenVersion) -> str:
    from mlflow.entities import Metric, Param, RunTag

    experiment = client.get_experiment_by_name(_EXPERIMENT)
    identifier = (
        client.create_experiment(_EXPERIMENT) if experiment is None else experiment.experiment_id
    )
    run = str(client.create_run(identifier, run_name=version.shown.reference).info.run_id)
    at = int(version.shown.created_at.timestamp() * 1000)
    settings = version.evidence.training.settings
    client.log_batch(
        run,
        metrics=[Metric(key, value, at, 0) for key, value in _metrics(version)],
        params=[
            Param(f"training.{key}", str(value)[:_LONGEST_PARAM])
            for key, value in sorted(settings.items())
        ],
        tags=[RunTag(key, value) for key, value in _tags(version, tuple(version.facts)).items()],
    )
    client.log_artifacts(run, str(version.folder), _ARTEFACTS)
    client.set_terminated(run)
    return run


def _metrics(version: OpenVersion) -> Iterator[tuple[str, float]]:
    for one in version.evidence.comparisons:
        place = _place(one)
        yield f"{place}/base", one.base.value
        yield f"{place}/tuned", one.tuned.value
        yield f"{place}/difference", one.difference.value
        yield f"{place}/difference_low", one.difference.low
        yield f"{place}/difference_high", one.difference.high


def _place(comparison: Comparison) -> str:
    # MLflow takes letters, digits and a few marks in a metric's name.
    text = f"{comparison.suite}/{comparison.task}/{comparison.metric}"
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in text)


def _tags(version: OpenVersion, names: tuple[str, ...]) -> dict[str, str]:
    return {f"civicbench.{name}": version.facts[name] for name in names}
