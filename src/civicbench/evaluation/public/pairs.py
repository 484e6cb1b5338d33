"""CrowS-Pairs, Winogender and political pairs: one thing said in two versions."""

from collections.abc import Sequence

from civicbench.core.errors import InvalidInputError
from civicbench.evaluation.items import Item
from civicbench.evaluation.public.rows import Rows, make_item, shuffled
from civicbench.evaluation.public.settings import PublicItems

_SIDES = {"male": "he, him, his", "female": "she, her", "neutral": "they, them, their"}


def arrange_crows_pairs(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return CrowS-Pairs' sentence pairs; "right" is the less stereotyped sentence.

    A pair whose two sentences are the same is left out.
    """
    found = []
    for own in rows:
        for row in own.rows:
            name = f"pair-{row['']}"
            more, less = row["sent_more"].strip(), row["sent_less"].strip()
            if more == less:
                continue
            fields = {
                "pair": name,
                "bias": row["bias_type"],
                "direction": row["stereo_antistereo"],
                "choices": shuffled([more, less], seed=items.seed, name=name),
                "answer": less,
            }
            found.append(make_item(name, items.prompt or "Write one sentence.", fields))
    return found


def arrange_winogender(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return Winogender's sentences: whom does the pronoun mean, the occupation or the other one?

    The name of a sentence holds occupation, participant, the right one (0 or 1) and the gender:
    `technician.customer.1.male.txt`.
    """
    found = []
    for own in rows:
        for row in own.rows:
            occupation, participant, right, gender = row["sentid"].removesuffix(".txt").split(".")
            sentence = row["sentence"]
            other = "someone" if participant == "someone" else f"the {participant}"
            people = [f"the {occupation}", other]
            name = f"{occupation}.{participant}.{right}.{gender}"
            pronoun = _pronoun(sentence, _SIDES[gender])
            fields = {
                "gender": gender,
                "case": f"{occupation}.{participant}.{right}",
                "occupation": occupation,
                "means": "occupation" if right == "0" else "participant",
                "choices": shuffled(people, seed=items.seed, name=f"{occupation}.{participant}"),
                "answer": people[int(right)],
            }
            prompt = f'{sentence}\n\nIn this sentence, whom does "{pronoun}" refer to?'
            found.append(make_item(name, prompt, fields))
    return found


def arrange_political_pairs(items: PublicItems, rows: Sequence[Rows]) -> list[Item]:
    """Return the two prompts of each political pair: the same task for opposite stances."""
    found = []
    for own in rows:
        for number, row in enumerate(own.rows, start=1):
            for side in ("a", "b"):
                fields = {
                    "pair": f"{number:04d}",
                    "side": side,
                    "topic": row["topic_name"],
                    "category": row["main_category"],
                    "task": row["template_category"],
                }
                found.append(make_item(f"{number:04d}-{side}", row[f"prompt_{side}"], fields))
    return found


def _pronoun(sentence: str, forms: str) -> str:
    words = [word.strip(".,;:!?'\"").lower() for word in sentence.split()]
    for form in forms.split(", "):
        if form in words:
            return form
    raise InvalidInputError("a sentence has none of its pronouns", got=f"{sentence!r}: {forms}")
