"""How far a judge agrees with people: accuracy and Cohen's kappa, with intervals over prompts."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from civicbench.evaluation.judges.classifier import Classifier, ClassifierSettings, train
from civicbench.evaluation.judges.labelled import LabelledAnswer
from civicbench.evaluation.judges.record import LABELS, Label
from civicbench.evaluation.results import Agreement, Estimate
from civicbench.evaluation.statistics.clusters import Floats, cluster_codes, cluster_sums
from civicbench.evaluation.statistics.means import totals_estimate
from civicbench.evaluation.statistics.rates import rate_estimate

SEED = 20262
FOLDS = 5
ALL = "all"
BOTH, MODEL, PROMPT, NOTHING = "model and prompt", "model", "prompt", "nothing"
PEOPLE = "one person against the other"
QUEUE = "labelled afterwards"
_PEOPLE: tuple[Label, Label] = ("refusal", "compliance")

Decide = Callable[[Classifier, Sequence[LabelledAnswer]], list[Label]]


def measure_agreement(
    people: Sequence[str],
    judge: Sequence[str],
    *,
    clusters: Sequence[str],
    against: str,
    held_out: str = NOTHING,
    group: str = ALL,
) -> Agreement:
    """Return how far a judge's labels are those of people.

    Kappa is Cohen's 1960 (Educational and Psychological Measurement 20:37-46): agreement beyond
    what the two shares of each label would give by chance. Intervals take into account that
    answers to one prompt are not independent.

    Args:
        people: People's labels.
        judge: The judge's, in the same order.
        clusters: The prompt of each.
        against: Whose labels people's are, in words.
        held_out: What the judge had not been trained on.
        group: Which answers these are.
    """
    labels = sorted({*people, *judge}, key=lambda label: _rank(label))
    matrix = _counts(people, judge, labels=labels, clusters=clusters)
    return Agreement(
        against=against,
        held_out=held_out,
        group=group,
        items=len(people),
        accuracy=rate_estimate(
            [float(a == b) for a, b in zip(people, judge, strict=True)], clusters=clusters
        ),
        kappa=kappa_estimate(matrix, items=len(people)),
        confusion={
            f"{one} called {other}": count for (one, other), count in _cells(people, judge).items()
        },
    )


def kappa_of(totals: Floats) -> Floats:
    """Return Cohen's kappa of tables, each flattened in the last dimension; 0 where undefined."""
    size = round(totals.shape[-1] ** 0.5)
    table = totals.reshape(*totals.shape[:-1], size, size)
    count = np.maximum(table.sum(axis=(-1, -2)), 1e-12)
    seen = np.trace(table, axis1=-2, axis2=-1) / count
    chance = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1) / count**2
    left = 1 - chance
    result: Floats = np.divide(
        seen - chance, left, out=np.zeros_like(left), where=np.abs(left) > 1e-12
    )
    return result


def kappa_estimate(counts: Floats, *, items: int) -> Estimate:
    """Return kappa with its 95 % interval from each cluster's flattened table."""
    return totals_estimate(counts, kappa_of, limits=(-1.0, 1.0), items=items, seed=SEED)


def fold_of(prompt: str) -> int:
    """Return the fold of a prompt: it depends on its name alone."""
    return int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % FOLDS


def held_out_labels(
    answers: Sequence[LabelledAnswer],
    *,
    settings: ClassifierSettings,
    scheme: str,
    decide: Decide,
) -> list[Label]:
    """Return the labels by classifiers that were each trained without the answers they judge.

    Args:
        answers: The labelled answers.
        settings: How the classifiers are trained.
        scheme: What is held out: the model that wrote, the prompt, or both.
        decide: Labels answers by a classifier.
    """
    models = np.array([answer.model for answer in answers])
    folds = np.array([fold_of(answer.prompt_id) for answer in answers])
    labels: list[Label | None] = [None] * len(answers)
    writers = sorted({answer.model for answer in answers}) if scheme in (MODEL, BOTH) else [None]
    numbers = range(FOLDS) if scheme in (PROMPT, BOTH) else [None]
    for model in writers:
        for fold in numbers:
            tested = _and(_where(models, model), _where(folds, fold))
            trained = _and(~_where(models, model, none=False), ~_where(folds, fold, none=False))
            if not tested.any():
                continue
            learned = [answers[int(n)] for n in np.flatnonzero(trained)]
            classifier = train(
                [a.answer for a in learned], [a.refused for a in learned], settings=settings
            )
            places = [int(n) for n in np.flatnonzero(tested)]
            for place, label in zip(
                places, decide(classifier, [answers[n] for n in places]), strict=True
            ):
                labels[place] = label
    return [label for label in labels if label is not None]


def agreements_by_model(
    answers: Sequence[LabelledAnswer],
    labels: Sequence[Label],
    *,
    against: str,
    held_out: str,
) -> list[Agreement]:
    """Return the agreement on all answers, then on those of each model."""
    groups = [ALL, *sorted({answer.model for answer in answers})]
    found = []
    for group in groups:
        own = [n for n, answer in enumerate(answers) if group in (ALL, answer.model)]
        found.append(
            measure_agreement(
                [people_label(answers[n]) for n in own],
                [labels[n] for n in own],
                clusters=[answers[n].prompt_id for n in own],
                against=against,
                held_out=held_out,
                group=group,
            )
        )
    return found


def people_agreement(answers: Sequence[LabelledAnswer], *, against: str) -> Agreement:
    """Return how far the two people agreed who labelled each answer."""
    return measure_agreement(
        [_PEOPLE[0 if answer.first else 1] for answer in answers],
        [_PEOPLE[0 if answer.second else 1] for answer in answers],
        clusters=[answer.prompt_id for answer in answers],
        against=against,
        held_out=PEOPLE,
    )


def people_label(answer: LabelledAnswer) -> Label:
    """Return what people called an answer in the end."""
    return _PEOPLE[0 if answer.refused else 1]


def _rank(label: str) -> tuple[int, str]:
    return (LABELS.index(label) if label in LABELS else len(LABELS), label)


def _cells(people: Sequence[str], judge: Sequence[str]) -> dict[tuple[str, str], int]:
    pairs = list(zip(people, judge, strict=True))
    ordered = sorted(set(pairs), key=lambda pair: (_rank(pair[0]), _rank(pair[1])))
    return {pair: pairs.count(pair) for pair in ordered}


def _counts(
    people: Sequence[str], judge: Sequence[str], *, labels: Sequence[str], clusters: Sequence[str]
) -> Floats:
    one = np.array([[label == own for label in labels] for own in people], dtype=float)
    two = np.array([[label == own for label in labels] for own in judge], dtype=float)
    cells = (one[:, :, None] * two[:, None, :]).reshape(len(people), -1)
    return cluster_sums(cells, cluster_codes(clusters))


def _where(values: NDArray[np.generic], value: object, *, none: bool = True) -> NDArray[np.bool_]:
    """Return where values equal one; where it is None, everywhere or nowhere."""
    if value is None:
        return np.full(len(values), none)
    found: NDArray[np.bool_] = values == value
    return found


def _and(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    both: NDArray[np.bool_] = one & other
    return both
