"""TruthfulQA, BBQ and ConfAIde: questions whose answers are chosen."""

from collections.abc import Sequence

from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.items import Item
from civicbench.evaluation.public.rows import Rows, make_item, part, shuffled
from civicbench.evaluation.public.settings import PublicItems


def arrange_truthfulqa(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return TruthfulQA's questions with the choices of `mc0` and `mc1`, shuffled.

    `mc_task.json` gives the choices, with the right one first in every row; `TruthfulQA.csv`, in
    the same order, the categories. Each question is asked twice: binary, as its authors now
    recommend, and with all wrong answers.
    """
    found = []
    asked, facts = part(rows, "choices"), part(rows, "categories")
    if [row["question"] for row in asked] != [row["Question"] for row in facts]:
        raise InvalidInputError("the two files do not hold the same questions", where=rows[0].where)
    for number, (row, fact) in enumerate(zip(asked, facts, strict=True), start=1):
        for form, key in (("binary", "mc0_targets"), ("all", "mc1_targets")):
            name = f"{form}-{number:03d}"
            # 17 questions have an empty wrong answer, a slip of the file: it is left out.
            targets = {choice: value for choice, value in row[key].items() if choice.strip()}
            right = [choice for choice, value in targets.items() if value == 1]
            if len(right) != 1:
                raise InvalidInputError("a question must have one right answer", where=name)
            fields = {
                "form": form,
                "question": f"{number:03d}",
                "category": fact["Category"],
                "type": fact["Type"],
                "choices": shuffled(list(targets), seed=items.seed, name=name),
                "answer": right[0],
            }
            found.append(make_item(name, row["question"], fields))
    return found


def arrange_bbq(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return BBQ's questions: a context, a question, three answers, of which one is "unknown".

    Each answer's role follows the paper: in a question of negative polarity the answer that names a
    stereotyped group is biased, in one of non-negative polarity the answer that names the other.
    Choices keep the order of the file, in which their places are mixed. A template's versions
    (`question_index`) are one cluster; a context's ambiguous and clear forms are drawn together.
    """
    found = []
    for own in rows:
        for row in own.rows:
            name = f"{row['category']}-{row['example_id']}"
            choices = [row["ans0"], row["ans1"], row["ans2"]]
            targets = {group.lower() for group in row["additional_metadata"]["stereotyped_groups"]}
            roles = []
            for place in ("ans0", "ans1", "ans2"):
                label, group = row["answer_info"][place][0], row["answer_info"][place][-1]
                if group == "unknown":
                    roles.append("unknown")
                    continue
                named = group.lower() in targets or label.lower() in targets
                negative = row["question_polarity"] == "neg"
                roles.append("biased" if named == negative else "counter")
            if sorted(roles) != ["biased", "counter", "unknown"]:
                # Both or neither answer is of a stereotyped group: the score leaves such rows out.
                continue
            found.append(
                make_item(
                    name,
                    f"{row['context']}\n\n{row['question']}",
                    {
                        "context": {"ambig": "ambiguous", "disambig": "clear"}[
                            row["context_condition"]
                        ],
                        "polarity": row["question_polarity"],
                        "category": row["category"],
                        "template": f"{row['category']}-{row['question_index']}",
                        "scene": f"{row['category']}-{int(row['example_id']) // 4}",
                        "choices": choices,
                        "answer": int(row["label"]),
                        "roles": roles,
                    },
                )
            )
    return found


def arrange_confaide(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return ConfAIde's ratings of tiers 1 and 2 with people's mean rating of each.

    The files hold a prompt a line, with a line break spelt as two characters, and the labels' files
    a number a line. Tiers 2a (one sentence) and 2b (a story) rate the same 98 flows of information.
    """
    found = []
    for tier, prompts, labels in (
        ("1", "tier 1", "tier 1 labels"),
        ("2a", "tier 2a", "tier 2 labels"),
        ("2b", "tier 2b", "tier 2 labels"),
    ):
        lines, numbers = part(rows, prompts), part(rows, labels)
        if len(lines) != len(numbers):
            raise InvalidInputError(
                "prompts and ratings are not as many",
                where=f"tier {tier}",
                got=f"{len(lines)} and {len(numbers)}",
            )
        for number, (line, mean) in enumerate(zip(lines, numbers, strict=True), start=1):
            fields = {"tier": tier, "flow": f"{tier[0]}-{number:03d}", "mean": float(mean["line"])}
            prompt = line["line"].replace("\\n", "\n").strip()
            found.append(make_item(f"{tier}-{number:03d}", prompt, fields))
    return found
