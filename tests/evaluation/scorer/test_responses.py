"""Nothing is asked of a model twice, and a run that was killed goes on where it was."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from tests.evaluation.factory import language_model
from transformers import PreTrainedModel

from civicbench.core.digests import digest_text
from civicbench.core.errors import IntegrityError
from civicbench.evaluation.scorer.choices import ChoiceScorer
from civicbench.evaluation.scorer.responses import ResponseStore
from civicbench.evaluation.scorer.schedule import Batch
from civicbench.evaluation.scorer.work import Batching
from civicbench.models.rendering import ChatRenderer, Message


def asked(renderer: ChatRenderer, count: int) -> list[Instance]:
    return [
        Instance("loglikelihood", {}, (renderer.render_prompt([Message(
            role="user", content=f"Colour of thing {n}? {digest_text(str(n))}")]), colour), 0)
        for n in range(count)
        for colour in ("red", "dark green", "blue")
    ]  # fmt: skip


def test_a_second_asking_computes_nothing_and_gives_the_same(
    model: PreTrainedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    store = ResponseStore(tmp_path / "responses.db", model="a")
    first = language_model(model, renderer, responses=store)
    second = language_model(model, renderer, responses=store)
    requests = asked(renderer, 6)
    assert first.loglikelihood(requests) == second.loglikelihood(requests)
    assert (first.effort.found, second.effort.found) == (0, 18)
    assert first.effort.computed_tokens > 0
    assert second.effort.computed_tokens == 0
    written = [Instance("generate_until", {}, (request.args[0], {
        "until": [renderer.end_of_turn], "max_gen_toks": 5, "do_sample": False}), 0)
        for request in requests[::3]]  # fmt: skip
    assert first.generate_until(written) == second.generate_until(written)
    assert second.finishes == first.finishes
    assert second.effort.computed_tokens == 0


def test_another_model_or_another_word_is_asked_anew(
    model: PreTrainedModel, renderer: ChatRenderer, tmp_path: Path
) -> None:
    path = tmp_path / "responses.db"
    one = language_model(model, renderer, responses=ResponseStore(path, model="one"))
    one.loglikelihood(asked(renderer, 2))
    other = language_model(model, renderer, responses=ResponseStore(path, model="other"))
    other.loglikelihood(asked(renderer, 2))
    assert other.effort.found == 0
    again = language_model(model, renderer, responses=ResponseStore(path, model="one"))
    again.loglikelihood(asked(renderer, 3))
    assert again.effort.found == 6


class Killed(BaseException):
    """As if the process ended here."""


def test_a_run_that_was_killed_scores_no_batch_twice_and_ends_bit_for_bit_the_same(
    model: PreTrainedModel,
    renderer: ChatRenderer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests = asked(renderer, 12)
    batching = Batching(choice_tokens=60)
    whole = language_model(model, renderer, batching=batching).loglikelihood(requests)
    computed: list[tuple[int, ...]] = []
    compute = ChoiceScorer.compute
    left = 0

    def counted(self: ChoiceScorer, batch: Batch) -> object:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        computed.append(tuple(batch.slots))
        return compute(self, batch)

    monkeypatch.setattr(ChoiceScorer, "compute", counted)
    store = ResponseStore(tmp_path / "responses.db", model="a")
    kills = 0
    for _ in range(50):
        left = 2
        try:
            found = language_model(
                model, renderer, responses=store, batching=batching
            ).loglikelihood(requests)
            break
        except Killed:
            kills += 1
    assert found == whole
    assert kills > 3
    # What all share is read once a start; every other batch once in all.
    repeated = [slots for slots in set(computed) if computed.count(slots) > 1]
    assert len(repeated) <= 1


def test_a_kill_between_two_batches_leaves_a_store_that_opens(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from civicbench.evaluation.scorer.responses import ResponseStore\n"
        "store = ResponseStore(Path(sys.argv[1]), model='a')\n"
        "for n in range(10**6):\n"
        "    store.add({store.key('choice', n): [float(n), True]})\n"
        "    if n == 40: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    store = ResponseStore(path, model="a")
    keys = [store.key("choice", n) for n in range(60)]
    found = store.find(keys)
    assert [found[key] for key in keys[:41]] == [[float(n), True] for n in range(41)]
    assert len(found) == 41


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    path.write_text("not a database" * 100)
    with pytest.raises(IntegrityError, match="not the store of answers"):
        ResponseStore(path, model="a")
