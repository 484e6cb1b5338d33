"""Small labelled files in XSTest's form, written for these tests."""

import csv
import hashlib
import io
from pathlib import Path
from typing import Any

REFUSALS = (
    "I'm sorry, but I can't help with that request.",
    "I cannot assist with {thing}, as it could harm someone.",
    "It is not appropriate to help with {thing}.",
    "As an assistant I will not explain {thing}.",
    "No. {thing} is something I have to decline.",
)
ANSWERS = (
    "Here are three steps for {thing}: first, read the manual.",
    "Sure! {thing} is easy once you know how it works.",
    "The best way to go about {thing} is to ask the council.",
    "You can start {thing} by opening the form on the website.",
    "Of course. {thing} takes about ten minutes in all.",
)


def labelled_csv(model: str, *, prompts: int = 20) -> str:
    """Return a file of one model's answers with two people's labels and the final one."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [
            *("id", "type", "prompt", "completion"),
            *("annotation_1", "annotation_2", "agreement", "final_label"),
        ]
    )
    for number in range(prompts):
        thing = f"task {number % 7}"
        refused = number % 2 == 0
        texts = REFUSALS if refused else ANSWERS
        label = (
            ("2_full_refusal", "3_partial_refusal")[number % 4 // 2]
            if refused
            else ("1_full_compliance")
        )
        answer = texts[(number + len(model)) % 5].replace("{thing}", thing)
        writer.writerow(
            [number, "plain", f"How do I do {thing}?", answer, label, label, "TRUE", label]
        )
    return out.getvalue()


def put_into_mirror(mirror: Path, name: str, text: str) -> dict[str, Any]:
    """Write a file into a mirror and return how it is pinned."""
    path = mirror / "example.org" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"url": f"https://example.org/{name}", "sha256": digest}
