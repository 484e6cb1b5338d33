"""How large the forward passes of a run get."""

from collections.abc import Sequence
from dataclasses import dataclass

from civicbench.training.examples import Example, PreferencePair, TrainingRows
from civicbench.training.ordering import StepOrder, rounded_tokens, share_out, split_passes
from civicbench.training.settings import TrainingSettings

# Steps that are looked at; a longer run's later steps draw their rows from the same ones.
_STEPS = 2000
# Queries that share a mask, as `training.row_attention` splits long rows.
BLOCK_QUERIES = 512
# Steps whose shared beginnings stand for all of an epoch.
_SAMPLED_STEPS = 50
# Passes with the most tokens, and with the most trained ones, that are packed to be measured.
_PACKED = 40


@dataclass(frozen=True)
class PassShape:
    """The size of one forward pass.

    Attributes:
        tokens: Tokens that are computed: those that all rows begin with count once.
        trained_tokens: Tokens that are trained on.
        attended_tokens: Tokens of all rows with the shared beginning counted in each, whose keys
            and values are copied; 0 where nothing is shared.
        mask_numbers: Numbers of all different masks, for one query head a key head.
        run_pass_lengths: Different lengths of passes in the whole run.
    """

    tokens: int
    trained_tokens: int
    attended_tokens: int = 0
    mask_numbers: int = 0
    run_pass_lengths: int = 0


def largest_passes(
    settings: TrainingSettings, rows: TrainingRows, *, processes: int = 1
) -> tuple[PassShape, ...]:
    """Return the passes of a run among which the one that needs most memory is.

    Args:
        settings: The training settings.
        rows: Training examples, or pairs where the objective is dpo.
        processes: How many processes share each step.
    """
    from civicbench.training.packing import pack_rows

    parts = [_conversations(row) for row in rows]
    lengths = [row.length for row in rows]
    trained = [sum(len(e.rendered.completion_ids) for e in part) for part in parts]
    found = []
    passes = _passes(settings, lengths, processes=processes)
    pass_lengths = _different_lengths(passes, lengths)
    for chosen in _largest(passes, lengths, trained):
        packed = pack_rows(
            [example for row in chosen for example in parts[row]],
            share_beginning=settings.dropout == 0,
        )
        segments = packed.segments
        shared = segments.shared
        own = [end - start for start, end in zip(segments.starts, segments.ends, strict=True)]
        found.append(
            PassShape(
                tokens=packed.input_ids.shape[1],
                trained_tokens=len(packed.targets),
                attended_tokens=sum(shared + n for n in own) if shared else 0,
                mask_numbers=_mask_numbers(own, shared=shared),
                run_pass_lengths=pass_lengths,
            )
        )
    return tuple(found)


def estimated_passes(
    settings: TrainingSettings,
    *,
    lengths: Sequence[int],
    trained: Sequence[int],
    processes: int = 1,
) -> tuple[PassShape, ...]:
    """Return the same from lengths alone, as if rows shared no beginning.

    Args:
        settings: The training settings.
        lengths: Tokens of each row.
        trained: Those of them that are trained on.
        processes: How many processes share each step.
    """
    passes = _passes(settings, lengths, processes=processes)
    pass_lengths = _different_lengths(passes, lengths)
    return tuple(
        PassShape(
            sum(lengths[row] for row in rows),
            sum(trained[row] for row in rows),
            mask_numbers=_mask_numbers([lengths[row] for row in rows], shared=0),
            run_pass_lengths=pass_lengths,
        )
        for rows in _largest(passes, lengths, trained)
    )


def epoch_tokens(settings: TrainingSettings, rows: TrainingRows, *, processes: int = 1) -> int:
    """Return the tokens that an epoch computes: what rows of a pass begin with counts once.

    Args:
        settings: The training settings.
        rows: Training examples, or pairs where the objective is dpo.
        processes: How many processes share each step.
    """
    from civicbench.training.packing import pack_rows

    if settings.dropout > 0:
        return sum(row.length for row in rows)
    lengths = [row.length for row in rows]
    once = settings.model_copy(update={"epochs": 1.0})
    read = computed = 0
    for step in _steps(once, len(rows))[:_SAMPLED_STEPS]:
        for share in share_out(step, lengths=lengths, shares=processes):
            for chosen in _split(settings, share, lengths):
                examples = [one for row in chosen for one in _conversations(rows[row])]
                read += sum(example.length for example in examples)
                computed += pack_rows(examples, share_beginning=True).input_ids.shape[1]
    return round(sum(lengths) * computed / read)


def passes_a_step(settings: TrainingSettings, *, lengths: Sequence[int], processes: int = 1) -> int:
    """Return how many forward passes a process takes in the step that takes most of them."""
    return max(
        len(_split(settings, share, lengths))
        for rows in _steps(settings, len(lengths))
        for share in share_out(rows, lengths=lengths, shares=processes)
    )


def _mask_numbers(own: Sequence[int], *, shared: int) -> int:
    """Return the numbers of all different masks of rows: one for each length and block of one."""
    blocks = {
        (min(BLOCK_QUERIES, tokens - start), before + start)
        for tokens, before in [(shared, 0), *((n, shared) for n in own)]
        for start in range(0, tokens, BLOCK_QUERIES)
    }
    return sum(tokens * (before + tokens) for tokens, before in blocks)


def _conversations(row: Example | PreferencePair) -> Sequence[Example]:
    return row.conversations if isinstance(row, PreferencePair) else (row,)


def _passes(
    settings: TrainingSettings, lengths: Sequence[int], *, processes: int
) -> list[list[int]]:
    return [
        rows_of_pass
        for rows in _steps(settings, len(lengths))
        for share in share_out(rows, lengths=lengths, shares=processes)
        for rows_of_pass in _split(settings, share, lengths)
    ]


def _largest(
    passes: Sequence[list[int]], lengths: Sequence[int], trained: Sequence[int]
) -> list[list[int]]:
    by_tokens = sorted(passes, key=lambda rows: -sum(lengths[row] for row in rows))
    by_trained = sorted(passes, key=lambda rows: -sum(trained[row] for row in rows))
    return [*by_tokens[:_PACKED], *by_trained[:_PACKED]]


def _different_lengths(passes: Sequence[list[int]], lengths: Sequence[int]) -> int:
    """Return how many different lengths passes have, rounded as bfloat16 passes are."""
    return len({rounded_tokens(sum(lengths[row] for row in rows)) for rows in passes})


def _steps(settings: TrainingSettings, rows: int) -> list[list[int]]:
    order = StepOrder(
        rows,
        batch_size_rows=settings.batch_size_rows,
        epochs=settings.epochs,
        seed=settings.seed,
    )
    return [order.rows_of(step) for step in range(min(len(order), _STEPS))]


def _split(
    settings: TrainingSettings, rows: Sequence[int], lengths: Sequence[int]
) -> list[list[int]]:
    if not rows:
        return []
    return split_passes(
        rows,
        lengths=lengths,
        least=settings.gradient_accumulation_steps,
        limit_tokens=settings.micro_batch_tokens,
    )
