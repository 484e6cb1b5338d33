"""What a plan is for: this machine, the recipe's hardware, or GPUs that are not here."""

from dataclasses import dataclass

from civicbench.core.environment import processor_name
from civicbench.core.errors import InvalidInputError
from civicbench.models.loading import choose_device, device_name
from civicbench.recipes.loading import Recipe
from civicbench.training.devices import Devices
from civicbench.training.distributed.presets import load_preset
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
    def of(
        cls,
        recipe: Recipe,
        *,
        devices: Devices | None,
        sharding: Sharding | None,
        processes: int | None = None,
    ) -> "Target":
        """Return what a recipe is planned for.

        Args:
            recipe: The recipe.
            devices: GPUs that are asked for; None for the recipe's hardware, or what is here.
            sharding: How they share; None for what the recipe's preset says: layers in turn where
                it asks for several GPUs and no preset, else a copy on each.
            processes: How many processes share this machine; None for one.

        Raises:
            InvalidInputError: Sharing is asked for, and there is one device; or processes are
                counted on devices that are not here.
        """
        hardware = recipe.settings.hardware
        if devices is not None and processes is not None:
            raise InvalidInputError(
                "--for names devices, and each has a process",
                where="command line: --processes",
                got=f"{processes} beside --for",
                remedy="leave out one of the two",
            )
        if devices is None and hardware is not None and processes is None:
            devices = Devices(hardware.devices, hardware.memory_gb * 1e9, None)
        count = devices.count if devices else processes or 1
        preset = load_preset(recipe.training.distributed)
        if count == 1 and (sharding not in {None, "none"} or preset.shares_weights):
            asked = sharding is not None
            raise InvalidInputError(
                "one device has nobody to share with",
                where="command line: --sharding" if asked else "training.distributed",
                got=str(sharding) if asked else preset.name,
                remedy='name several, such as --for "8x H100-80GB" or --processes 2',
            )
        if sharding is None:
            spread = hardware is not None and hardware.devices > 1 and processes is None
            sharding = (
                "none" if count == 1
                else "zero3" if preset.shares_weights
                else "layers" if spread
                else "ddp"
            )  # fmt: skip
        if devices is not None:
            return cls(devices.title, count, devices.memory_bytes, True, sharding, devices)
        on_gpu = choose_device() == "cuda"
        title = f"this machine: {device_name() if on_gpu else processor_name()}"
        memory = available_bytes()
        if count > 1 and not on_gpu:
            memory /= count  # they share what is free
        return cls(title, count, memory, on_gpu, sharding, None)
