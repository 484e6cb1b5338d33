"""What has to agree before a version is registered: evidence with itself, files with evidence."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from civicbench.core.digests import canonical_json, digest_file, digest_listing, short
from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.models.trained import trained_folder
from civicbench.registry.chain import account_name
from civicbench.registry.evidence import Evidence

EVIDENCE_NAME = "evidence.json"
"""The evidence as canonical JSON: the sha256 of this file is the version's name."""
MEASUREMENTS_NAME = "measurements.json"
"""What was measured on the way, as canonical JSON."""
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,399}")


def evidence_bytes(evidence: Evidence) -> bytes:
    """Return the bytes of `evidence.json`, whose sha256 is the evidence's digest.

    Raises:
        InvalidInputError: The model's name cannot stand in a reference, or a value cannot be
            written as JSON (a number that is not finite, text that is not Unicode).
    """
    if not _MODEL_NAME.fullmatch(evidence.model_name):
        raise InvalidInputError(
            "a model's name is letters, digits, '.', '_' and '-', at most 100",
            got=repr(evidence.model_name),
        )
    try:
        return canonical_json(evidence.model_dump(mode="json")).encode("utf-8")
    except ValueError as error:
        raise InvalidInputError(
            "the evidence holds a value that JSON cannot hold",
            where=evidence.model_name,
            got=str(error),
        ) from None


def check_evidence(evidence: Evidence) -> None:
    """Refuse evidence whose parts speak of different models, data or prompts.

    Raises:
        IntegrityError: With each part that does not agree.
    """
    problems = list(_disagreements(evidence))
    if problems:
        raise IntegrityError(
            "the evidence does not agree with itself",
            where=evidence.model_name,
            got="; ".join(problems),
            remedy="run the recipe again, so that every part is of the same model and data",
        )


def digest_sources(files: Mapping[str, Path], *, evidence: Evidence) -> dict[str, str]:
    """Return the sha256 of each file of a version, after checking them against its evidence.

    Args:
        files: Where each file stands now, by its path within the version.
        evidence: The version's evidence.

    Raises:
        InvalidInputError: A path that is absolute, leads upwards, or is the registry's own.
        PartAbsentError: A file that does not exist.
        IntegrityError: The files under `adapter/` (`model/` for a fully trained model) are not
            what was evaluated.
    """
    for path, source in files.items():
        _check_path(path)
        if not source.is_file():
            raise PartAbsentError("no such file", where=str(source), remedy="run the recipe again")
    digests = {path: digest_file(source) for path, source in sorted(files.items())}
    folder = trained_folder(evidence.training.method) + "/"
    trained = {
        path.removeprefix(folder): digest
        for path, digest in digests.items()
        if path.startswith(folder)
    }
    found = digest_listing(trained)
    if found != evidence.training.adapter_digest:
        raise IntegrityError(
            f"the {folder.rstrip('/')}'s files are not the ones that were trained and evaluated",
            where=evidence.model_name,
            got=f"{short(found)} over {', '.join(trained) or 'no file'}; "
            f"the evidence names {short(evidence.training.adapter_digest)}",
            remedy="run the recipe again",
        )
    return digests


def owners(files: Mapping[str, Path], *, evidence: Evidence) -> tuple[str, ...]:
    """Return the accounts that own the files that training made: who trained.

    Args:
        files: Where each file stands now, by its path within the version.
        evidence: The version's evidence.
    """
    folder = trained_folder(evidence.training.method) + "/"
    made = [source for path, source in files.items() if path.startswith(folder)]
    return tuple(sorted({account_name(source.stat().st_uid) for source in made}))


def _check_path(path: str) -> None:
    parts = PurePosixPath(path)
    if not _PATH.fullmatch(path) or parts.as_posix() != path or ".." in parts.parts:
        raise InvalidInputError("is not a plain relative path for a version's file", got=repr(path))
    if path in {EVIDENCE_NAME, MEASUREMENTS_NAME}:
        raise InvalidInputError("is written by the registry itself", got=repr(path))


def _disagreements(evidence: Evidence) -> Iterator[str]:
    base, training = evidence.base, evidence.training
    expected = [
        ("base weights of training", training.base_weights_digest, base.weights_digest),
        ("chat template of training", training.template_digest, base.template_digest),
        ("data of training", training.snapshot_digest, evidence.training_data_digest),
    ]
    for suite in evidence.suites:
        for result, adapter in ((suite.base, None), (suite.tuned, training.adapter_digest)):
            whose = f"{suite.name}'s {result.model} scores"
            expected += [
                (f"base weights of {whose}", result.weights_digest, base.weights_digest),
                (f"chat template of {whose}", result.template_digest, base.template_digest),
                (f"adapter of {whose}", result.adapter_digest or "none", adapter or "none"),
            ]
        expected += [
            (f"items of {suite.name}", suite.tuned.items_digest, suite.base.items_digest),
            (f"prompts of {suite.name}", suite.tuned.prompts_digest, suite.base.prompts_digest),
        ]
    for what, found, wanted in expected:
        if found != wanted:
            yield f"{what}: {short(found)}, not {short(wanted)}"
