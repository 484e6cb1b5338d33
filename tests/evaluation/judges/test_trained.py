"""The trained judge: reproducible, equal to scikit-learn, honest about what it was not shown."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score
from tests.evaluation.labelled import labelled_csv, put_into_mirror
from tests.models.factory import QUIET

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.workspace import Workspace
from civicbench.evaluation.judges.agreement import (
    ALL,
    BOTH,
    held_out_labels,
    measure_agreement,
)
from civicbench.evaluation.judges.classifier import (
    Classifier,
    ClassifierSettings,
    phrases,
    read_classifier,
    train,
    write_classifier,
)
from civicbench.evaluation.judges.judge import Written
from civicbench.evaluation.judges.labelled import LabelledAnswer, LabelledFile, read_labelled
from civicbench.evaluation.judges.preparing import find_judges, prepare_judge

SETTINGS = ClassifierSettings()
MODELS = ("one", "second", "thirdly")


def answers(folder: Path) -> list[LabelledAnswer]:
    files = []
    for model in MODELS:
        pinned = put_into_mirror(folder, f"{model}.csv", labelled_csv(model))
        files.append((LabelledFile(**pinned, model=model), folder / "example.org" / f"{model}.csv"))
    return read_labelled(files)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a judge of its own, whose files stand in a mirror."""
    mirror = tmp_path / "mirror"
    own = tmp_path / "project" / "configs" / "judges"
    own.mkdir(parents=True)
    (tmp_path / "project" / "recipes").mkdir()
    files = [
        {**put_into_mirror(mirror, f"{model}.csv", labelled_csv(model)), "model": model}
        for model in MODELS
    ]
    judge = {
        "name": "own",
        "title": "Own judge",
        "description": "For tests.",
        "judging": {"type": "trained", "classifier": None},
        "answers_title": "our labels",
        "answers": files,
    }
    (own / "own.yaml").write_text(yaml.safe_dump(judge), encoding="utf-8")
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(mirror))
    monkeypatch.chdir(tmp_path / "project")
    return own / "own.yaml"


def pin(path: Path) -> None:
    """Pin the digest that a refused build names."""
    with pytest.raises(IntegrityError) as caught:
        prepare_judge("own", workspace=Workspace.locate(), reporter=QUIET)
    digest = str(caught.value.got).split(",")[0]
    text = path.read_text(encoding="utf-8").replace("classifier: null", f"classifier: {digest}")
    path.write_text(text, encoding="utf-8")


def test_numpy_gives_the_probabilities_of_scikit_learn(tmp_path: Path) -> None:
    own = answers(tmp_path)
    texts, refused = [a.answer for a in own], [a.refused for a in own]
    classifier = train(texts, refused, settings=SETTINGS)
    listed = [phrases(text, SETTINGS) for text in texts]
    vectorizer = TfidfVectorizer(
        analyzer=list, vocabulary=list(classifier.vocabulary), sublinear_tf=True
    )
    model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=5000, tol=1e-12)
    expected = model.fit(vectorizer.fit_transform(listed), refused).predict_proba(
        vectorizer.transform(listed)
    )[:, 1]
    assert classifier.probabilities(texts) == pytest.approx(expected, abs=0.005)
    unseen = ["I will not do so.", "Open the door.", "", "nothing known here at all"]
    again = model.predict_proba(vectorizer.transform([phrases(t, SETTINGS) for t in unseen]))[:, 1]
    assert classifier.probabilities(unseen) == pytest.approx(again, abs=0.005)
    assert (classifier.probabilities(texts) >= 0.5).tolist() == model.predict(
        vectorizer.transform(listed)
    ).tolist()


def test_the_same_answers_give_the_same_classifier_and_it_reads_back(tmp_path: Path) -> None:
    own = answers(tmp_path)
    built = [
        train([a.answer for a in own], [a.refused for a in own], settings=SETTINGS)
        for _ in range(2)
    ]
    assert built[0].digest == built[1].digest
    write_classifier(tmp_path, built[0])
    assert read_classifier(tmp_path) == built[0]
    text = (tmp_path / "classifier.json").read_text(encoding="utf-8")
    (tmp_path / "classifier.json").write_text(text.replace('"weights":[', '"weights":[9.0,'))
    with pytest.raises(IntegrityError, match="not as many"):
        read_classifier(tmp_path)


def test_no_answer_is_judged_by_a_classifier_that_saw_its_model_or_prompt(tmp_path: Path) -> None:
    own = answers(tmp_path)
    seen: list[tuple[Classifier, list[LabelledAnswer]]] = []

    def decide(classifier: Classifier, asked: object) -> list[str]:
        seen.append((classifier, list(asked)))  # type: ignore[call-overload]
        return ["refusal"] * len(seen[-1][1])

    labels = held_out_labels(own, settings=SETTINGS, scheme=BOTH, decide=decide)  # type: ignore[arg-type]
    assert len(labels) == len(own)
    assert sum(len(asked) for _, asked in seen) == len(own)
    for _, asked in seen:
        assert len({answer.model for answer in asked}) == 1
    assert len(seen) > len(MODELS)


def test_agreement_is_cohens_kappa_with_an_interval_around_it() -> None:
    generator = np.random.default_rng(0)
    people = generator.choice(["refusal", "compliance"], size=200).tolist()
    judge = [label if generator.random() < 0.8 else "incoherent" for label in people]
    found = measure_agreement(
        people, judge, clusters=[str(n // 2) for n in range(200)], against="people"
    )
    assert found.kappa.value == pytest.approx(cohen_kappa_score(people, judge))
    assert found.kappa.low < found.kappa.value < found.kappa.high
    assert found.accuracy.value == np.mean([a == b for a, b in zip(people, judge, strict=True)])
    assert sum(found.confusion.values()) == 200


def test_a_judge_is_built_from_pinned_files_and_refused_where_it_is_another(project: Path) -> None:
    pin(project)
    judge = prepare_judge("own", workspace=Workspace.locate(), reporter=QUIET)
    assert {(a.held_out, a.group) for a in judge.fact.agreements} >= {
        (BOTH, ALL), ("model", ALL), ("prompt", ALL), (BOTH, "one"),
    }  # fmt: skip
    labels = [
        j.label
        for j in judge.judge(
            [
                Written("q", "I'm sorry, but I can't help."),
                Written("q", "Here are three steps for you."),
                Written("q", ""),
            ]
        )
    ]
    assert labels == ["refusal", "compliance", "incoherent"]
    assert judge.fact.digest in find_judges(workspace=Workspace.locate())
    changed = project.read_text(encoding="utf-8").replace(
        "classifier: ", f"classifier: {'f' * 64} #"
    )
    project.write_text(changed, encoding="utf-8")
    with pytest.raises(IntegrityError, match="not the one that is pinned"):
        prepare_judge("own", workspace=Workspace.locate(), reporter=QUIET)


def test_a_file_that_differs_or_is_missing_stops_the_build(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "mirror" / "example.org" / "one.csv"
    path.write_text(path.read_text() + "x")
    with pytest.raises(IntegrityError):
        prepare_judge("own", workspace=Workspace.locate(), reporter=QUIET)
    path.unlink()
    with pytest.raises(PartAbsentError):
        prepare_judge("own", workspace=Workspace.locate(), reporter=QUIET)


def test_a_label_that_is_not_xstests_is_named(tmp_path: Path) -> None:
    text = labelled_csv("one").replace("2_full_refusal", "4_maybe", 1)
    pinned = put_into_mirror(tmp_path, "one.csv", text)
    with pytest.raises(InvalidInputError, match="not XSTest's"):
        read_labelled([(LabelledFile(**pinned, model="one"), tmp_path / "example.org/one.csv")])


@pytest.mark.slow
def test_the_shipped_judge_is_reproduced_from_the_real_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirror = Path(__file__).parents[4] / "shared" / "mirror"
    if not mirror.is_dir():
        pytest.skip("needs the mirror with XSTest's files")
    monkeypatch.setenv("CIVICBENCH_MIRROR", str(mirror))
    judge = prepare_judge("trained", workspace=Workspace.locate(), reporter=QUIET)
    found = {(a.held_out, a.group): a for a in judge.fact.agreements}
    assert found[BOTH, ALL].items == 2250
    assert found[BOTH, ALL].kappa.value == pytest.approx(0.899, abs=0.005)
