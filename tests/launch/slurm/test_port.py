import socket

from civicbench.launch.slurm.port import free_port


def test_a_job_gets_its_own_port_or_the_next_that_is_free() -> None:
    first = free_port(7)
    assert 20_000 <= first < 32_000
    assert free_port(7) == first
    assert free_port(12_007) == first
    with socket.create_server(("", first)):
        assert free_port(7) > first
    assert free_port(7) == first
