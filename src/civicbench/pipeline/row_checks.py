"""Checks of the rows that training reads: what is trained, what begins them, how long they are."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from civicbench.models.rendering import ChatRenderer, Message
from civicbench.pipeline.finding import Finding, count_rows
from civicbench.pipeline.reading_rows import RowText, TrainedRow

# An end of turn alone is what an empty answer renders to.
_SHORTEST_ANSWER = 2


def check_end_trained(
    texts: Sequence[RowText], rows: Sequence[TrainedRow], *, renderer: ChatRenderer
) -> Finding:
    """Look whether the last token that each row trains is the end of turn, and only that one."""
    end = renderer.end_of_turn
    broken = [
        row.name
        for row in texts
        if row.refused is None and row.begins_with_prompt and not row.ends_turn(end)
    ]
    for row in rows:
        trained = [target for target in row.packed.targets if target is not None]
        if trained[-1:] != [renderer.end_of_turn_id] or trained.count(trained[-1]) != 1:
            broken.append(row.text.name)
    return Finding(
        what="end of turn is trained",
        found=f"not in {count_rows(broken)}: the model would never learn to stop"
        if broken
        else f"the last trained token of all {len(rows):,} rows",
        state="bad" if broken else "good",
        remedy="use a template that closes the assistant's turn with end_of_turn" if broken else "",
    )


def check_mask(texts: Sequence[RowText], rows: Sequence[TrainedRow]) -> Finding:
    """Look whether exactly the answer is trained on, after the prompt that evaluation asks."""
    changed = [row.name for row in texts if row.refused is None and not row.begins_with_prompt]
    if changed:
        return Finding(
            what="mask",
            found=f"the template writes the prompt differently once its answer follows, in "
            f"{count_rows(changed)}",
            state="bad",
            remedy="give a `template` in the catalogue entry that writes a turn the same "
            "whatever follows",
        )
    broken = [row.text.name for row in rows if not _masked(row)]
    return Finding(
        what="mask",
        found=f"not the answer alone is trained on in {count_rows(broken)}"
        if broken
        else f"{len(rows):,} rows: the prompt is the one that evaluation asks, token by token, and "
        "all after it is trained",
        state="bad" if broken else "good",
        remedy="report this: training's packing is wrong" if broken else "",
    )


def check_written(rows: Sequence[TrainedRow], *, renderer: ChatRenderer) -> Finding:
    """Look whether prompt and answer together are the template's text, token by token."""
    other = [row for row in rows if row.packed.ids != row.written_ids]
    lost = [
        row.text.name
        for row in other
        if _text(renderer, row.packed.ids) != _text(renderer, row.written_ids)
    ]
    if lost:
        return Finding(
            what="rows are the template's text",
            found=f"another text in {count_rows(lost)}",
            state="bad",
            remedy="the tokenizer adds or drops something at the answer's start: give another "
            "`template` or tokenizer",
        )
    if other:
        return Finding(
            what="rows are the template's text",
            found=f"the same text, cut otherwise where the answer begins in "
            f"{count_rows([row.text.name for row in other])}; evaluation cuts there, too",
            state="note",
        )
    return Finding(
        what="rows are the template's text",
        found=f"{len(rows):,} rows, token by token",
        state="good",
    )


def check_beginning(rows: Sequence[TrainedRow], *, renderer: ChatRenderer) -> Finding:
    """Look whether a row begins with one beginning-of-text token, or none where there is none."""
    tokenizer = renderer.tokenizer
    what = "beginning of text"
    token, start = tokenizer.bos_token, tokenizer.bos_token_id
    if start is None:
        return Finding(what=what, found="the tokenizer has no token for it", state="good")
    wanted = int(all(row.text.whole.startswith(token) for row in rows))
    repeats = _repeats_with_turns(renderer, start)
    broken = [
        row.text.name
        for row in rows
        if _leading(row.packed.ids, start) != wanted
        or (not repeats and row.packed.ids.count(start) != wanted)
    ]
    if broken:
        return Finding(
            what=what,
            found=f"{token} stands twice, or where it should not, in {count_rows(broken)}",
            state="bad",
            remedy="let either the template or the tokenizer write it",
        )
    if not wanted and tokenizer.encode("a")[:1] == [start]:
        return Finding(
            what=what,
            found=f"the tokenizer begins texts with {token}, the template does not: no row has it",
            state="note",
            remedy="if the model was made with it, give a `template` that writes it",
        )
    also = ", which opens every turn" if repeats and wanted else ""
    return Finding(
        what=what,
        found=f"one {token}{also}" if wanted else f"the template writes no {token}",
        state="good",
    )


def check_padding_untrained(rows: Sequence[TrainedRow], *, renderer: ChatRenderer) -> Finding:
    """Look whether padding is ever trained on."""
    pad = renderer.tokenizer.pad_token_id
    broken = [row.text.name for row in rows if pad is not None and pad in row.packed.targets]
    return Finding(
        what="padding in the loss",
        found=f"in {count_rows(broken)}" if broken else "never: rows are packed without any",
        state="bad" if broken else "good",
        remedy="name another token as pad_token in the catalogue entry" if broken else "",
    )


def check_lengths(
    rows: Sequence[TrainedRow], *, limit_tokens: int, context_tokens: int
) -> tuple[Finding, ...]:
    """Look whether rows are within the recipe's limit, and the limit within the model's.

    Args:
        rows: The rows.
        limit_tokens: The recipe's limit.
        context_tokens: The longest sequence that the model was made for.
    """
    longest = sorted(rows, key=lambda row: -len(row.packed.ids))
    over = [
        f"{row.text.name}: {len(row.packed.ids)}"
        for row in longest
        if len(row.packed.ids) > limit_tokens
    ]
    beyond = limit_tokens > context_tokens
    most = len(longest[0].packed.ids) if longest else 0
    return (
        Finding(
            what="length",
            found=f"over {limit_tokens:,} tokens: {count_rows(over)}"
            if over
            else f"{most:,} tokens at most, {limit_tokens:,} allowed",
            state="bad" if over else "good",
            remedy="raise training.max_length_tokens, or shorten or leave out these rows"
            if over
            else "",
        ),
        Finding(
            what="model's context",
            found=f"{context_tokens:,} tokens, training.max_length_tokens is {limit_tokens:,}",
            state="bad" if beyond else "good",
            remedy="lower training.max_length_tokens" if beyond else "",
        ),
    )


def check_answers(rows: Sequence[TrainedRow]) -> Finding:
    """Look whether any answer is empty."""
    empty = [row.text.name for row in rows if sum(row.packed.trained) < _SHORTEST_ANSWER]
    return Finding(
        what="answers",
        found=f"empty in {count_rows(empty)}" if empty else "none is empty",
        state="bad" if empty else "good",
        remedy="leave these rows out" if empty else "",
    )


def check_system_turns(texts: Sequence[RowText]) -> Finding:
    """Say how many different system turns the rows have."""
    turns = Counter(
        row.messages[0].content if row.messages[0].role == "system" else None for row in texts
    )
    without = turns.pop(None, 0)
    found = f"{len(turns)} different" if turns else "none"
    return Finding(
        what="system turns",
        found=f"{found}; {without:,} rows without one" if turns and without else found,
        state="good" if len(turns) + bool(without) == 1 else "note",
    )


def check_equal_prompts(texts: Sequence[RowText]) -> Finding:
    """Say whether a prompt stands in several rows, and with different answers."""
    answers: dict[tuple[Message, ...], list[RowText]] = defaultdict(list)
    for row in texts:
        answers[row.messages[:-1]].append(row)
    double = [rows for rows in answers.values() if len(rows) > 1]
    differing = [
        row.name for rows in double if len({r.messages[-1] for r in rows}) > 1 for row in rows
    ]
    if differing:
        return Finding(
            what="equal prompts",
            found=f"one prompt with different answers: {count_rows(differing)}",
            state="note",
            remedy="the model can learn only one of them: see datasets/README.md on duplicates",
        )
    if double:
        found = f"{count_rows([row.name for rows in double for row in rows])}, with the same answer"
        return Finding(what="equal prompts", found=found, state="note")
    return Finding(what="equal prompts", found="none", state="good")


def _masked(row: TrainedRow) -> bool:
    prompt = len(row.asked_ids)
    ids, targets = row.packed.ids, row.packed.targets
    return (
        ids[:prompt] == row.asked_ids
        and targets[:prompt] == (None,) * prompt
        and targets[prompt:] == ids[prompt:]
        and len(ids) > prompt
    )


def _text(renderer: ChatRenderer, ids: Sequence[int]) -> str:
    return str(renderer.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False))


def _leading(ids: Sequence[int], token: int) -> int:
    return next((place for place, found in enumerate(ids) if found != token), len(ids))


def _repeats_with_turns(renderer: ChatRenderer, token: int) -> bool:
    """Return whether a longer conversation has more of a token: it opens or ends turns, too."""
    turns = [Message(role="user", content="a"), Message(role="assistant", content="a")]
    few, many = (renderer.encode(renderer.render_conversation(turns * n)) for n in (1, 2))
    return many.count(token) > few.count(token)
