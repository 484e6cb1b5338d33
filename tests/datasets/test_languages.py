"""Languages are measured, and said with what was not judged."""

from tests.datasets.project import Project, row

from civicbench.datasets.languages import SAMPLED_ROWS, measure_languages

WELSH = "Mae gan bawb yr hawl i dderbyn gwasanaeth yn Gymraeg gan y cyngor, rhif {}"
POLISH = "Gdzie mog\u0119 z\u0142o\u017cy\u0107 wniosek o mieszkanie komunalne w mie\u015bcie? {}"


def test_languages_are_counted_whatever_was_declared(project: Project) -> None:
    rows = [row(number) for number in range(6)]
    rows += [row(10 + n, question=WELSH.format(n)) for n in range(3)]
    rows += [row(20, question=POLISH.format(1)), row(30, question="Yes?"), row(31, question="Ah?")]
    project.declare(split={"test": 0.3})
    project.write_rows(rows)
    question, answer = measure_languages(
        project.build().folder, fields=("question", "answer", "absent"), declared=("en-GB",)
    )
    assert question.told == (("en", 6), ("cy", 3), ("pl", 1))
    assert (question.texts, question.too_short, question.unsure) == (12, 2, 0)
    assert (answer.field, answer.texts, answer.too_short, answer.told) == ("answer", 12, 12, ())


def test_of_many_rows_a_sample_is_looked_at_and_always_the_same(project: Project) -> None:
    project.declare()
    project.write_rows(
        [row(n, question=WELSH.format(n) if n % 3 else f"Number {n}") for n in range(1500)]
    )
    folder = project.build().folder
    first = measure_languages(folder, fields=("question",), declared=("cy",))
    assert first[0].texts == SAMPLED_ROWS
    assert 0.6 < first[0].told[0][1] / SAMPLED_ROWS < 0.73
    assert first == measure_languages(folder, fields=("question",), declared=("cy",))
