"""What cannot work is refused before a process is started, with what to do."""

import socket
from pathlib import Path

import pytest
from tests.training.factory import make_settings

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.launch.local import choose_processes, group_among, group_here


def gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)


def test_on_a_processor_it_is_one_process_unless_more_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(monkeypatch, 0)
    settings = make_settings(batch_size_rows=8)
    assert choose_processes(settings, asked=None, hardware_devices=1) == 1
    assert choose_processes(settings, asked=4, hardware_devices=1) == 4


def test_it_is_one_process_for_each_gpu_as_far_as_rows_go(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 4)
    assert choose_processes(make_settings(batch_size_rows=8), asked=None, hardware_devices=1) == 4
    assert choose_processes(make_settings(batch_size_rows=3), asked=None, hardware_devices=1) == 3
    settings = make_settings(batch_size_rows=8, gradient_accumulation_steps=4)
    assert choose_processes(settings, asked=None, hardware_devices=1) == 2
    settings = make_settings(batch_size_rows=8)
    assert choose_processes(settings, asked=None, hardware_devices=1, machines=4) == 2


def test_hardware_says_how_many_share_weights_or_that_one_holds_layers_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(monkeypatch, 8)
    settings = make_settings(batch_size_rows=16)
    assert choose_processes(settings, asked=None, hardware_devices=4) == 1
    shared = make_settings(batch_size_rows=16, distributed="fsdp2")
    assert choose_processes(shared, asked=None, hardware_devices=4) == 4
    with pytest.raises(InvalidInputError, match="in turn, and there are several"):
        choose_processes(settings, asked=2, hardware_devices=4)


def test_more_processes_than_gpus_or_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    with pytest.raises(InvalidInputError, match="fewer GPUs than processes"):
        choose_processes(make_settings(batch_size_rows=8), asked=4, hardware_devices=1)
    gpus(monkeypatch, 0)
    with pytest.raises(InvalidInputError) as caught:
        choose_processes(make_settings(batch_size_rows=3), asked=4, hardware_devices=1)
    assert "3 rows a step, 4 processes" in str(caught.value)
    with pytest.raises(InvalidInputError, match="too few rows"):
        choose_processes(make_settings(batch_size_rows=6), asked=2, hardware_devices=1, machines=4)


def test_sharing_weights_with_nobody_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus(monkeypatch, 0)
    with pytest.raises(InvalidInputError) as caught:
        choose_processes(make_settings(distributed="fsdp2"), asked=None, hardware_devices=1)
    assert "--processes N" in str(caught.value)


def test_a_free_port_is_found_for_processes_of_one_machine() -> None:
    group = group_here(2)
    with socket.create_server((group.address, group.port)):
        assert group_here(2).port != group.port


def test_the_first_machine_refuses_a_port_that_is_taken() -> None:
    with socket.create_server(("", 0)) as server:
        meeting = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(PartAbsentError) as caught:
            group_among(2, meeting=meeting, machines=2, machine=0)
        assert "another port" in str(caught.value)
        # On any other machine it is not the one that has to be free.
        assert group_among(2, meeting=meeting, machines=2, machine=1).rank(0) == 2


@pytest.mark.parametrize(
    ("meeting", "machine", "says"),
    [
        ("no-such-name.invalid:29500", 1, "does not resolve"),
        ("node-a", 0, "HOST:PORT"),
        ("127.0.0.1:0", 0, "HOST:PORT"),
        ("127.0.0.1:99999", 0, "HOST:PORT"),
        ("127.0.0.1:29500", 2, "from 0 to 1"),
        ("127.0.0.1:29500", -1, "from 0 to 1"),
    ],
)
def test_a_meeting_place_that_cannot_be_is_refused(meeting: str, machine: int, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        group_among(2, meeting=meeting, machines=2, machine=machine)
    assert says in str(caught.value)


def test_the_preset_files_may_be_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A preset that offloads is refused where there is no GPU to offload from."""
    folder = tmp_path / "training" / "distributed"
    folder.mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    (folder / "spare.yaml").write_text(
        "name: spare\ntitle: Spare\ndescription: With weights in main memory.\nsettings:\n"
        "  strategy: fsdp2\n  reshard_after_forward: true\n  gathered_precision: bfloat16\n"
        "  reduced_precision: float32\n  cpu_offload: true\n"
    )
    monkeypatch.chdir(tmp_path)
    gpus(monkeypatch, 0)
    settings = make_settings(distributed="spare")
    with pytest.raises(PartAbsentError) as caught:
        choose_processes(settings, asked=2, hardware_devices=1)
    assert "cpu_offload" in str(caught.value)
