"""What a plan is for: this machine, the recipe's hardware, or GPUs that are not here."""

from dataclasses import dataclass

from civicbench.core.environment import processor_name
from civicbench.core.errors import InvalidInputError
from civicbench.models.loading import choose_device, device_name
from civicbench.recipes.loading import Recipe
from civicbench.training.devices import Devices
from civicbench.training.memory.available import available_bytes
from civicbench.training.memory.sharding import Sharding


@dataclass(frozen=True)
class Target:
    """The devices of a plan.

    Attributes:
        title: What they are, in words.
        devices: How many.
        memory_bytes: What each has.
        on_gpu: Whether they are GPUs.
        sharding: How they share.
        gpus: GPUs that are not here; None where this machine is meant.
    """

    title: str
    devices: int
    memory_bytes: float
    on_gpu: bool
    sharding: Sharding
    gpus: Devices | None

    @classmethod
    def of(cls, recipe: Recipe, *, devices: Devices | None, sharding: Sharding | None) -> "Target":
        """Return what a recipe is planned for.

        Args:
            recipe: The recipe.
            devices: GPUs that are asked for; None for the recipe's hardware, or what is here.
            sharding: How they share; None for the usual way: layers in turn where the recipe
                asks for several GPUs, else a copy on each.

        Raises:
            InvalidInputError: Sharing is asked for, and there is one device.
        """
        hardware = recipe.settings.hardware
        if devices is None and hardware is not None:
            devices = Devices(hardware.devices, hardware.memory_gb * 1e9, None)
        count = devices.count if devices else 1
        if sharding not in {None, "none"} and count == 1:
            raise InvalidInputError(
                "one device has nobody to share with",
                where="command line: --sharding",
                got=str(sharding),
                remedy='name several, such as --for "8x H100-80GB"',
            )
        if sharding is None:
            spread = hardware is not None and hardware.devices > 1
            sharding = "none" if count == 1 else "layers" if spread else "ddp"
        if devices is not None:
            return cls(devices.title, count, devices.memory_bytes, True, sharding, devices)
        on_gpu = choose_device() == "cuda"
        title = device_name() if on_gpu else processor_name()
        return cls(f"this machine: {title}", 1, available_bytes(), on_gpu, sharding, None)
