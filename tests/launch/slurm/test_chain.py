from collections.abc import Callable

from tests.launch.slurm.conftest import Site


def test_two_nodes_train_what_one_process_does(site: Site, elsewhere: Callable[..., bytes]) -> None:
    site.profile(nodes=2)
    launch = site.launch("smoke", "--only-training")
    state = site.lab.wait(site.number(launch, "train"))
    assert state == "COMPLETED", site.log(launch, "train")
    print(site.log(launch, "train"))
    assert False
