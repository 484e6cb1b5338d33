"""Experiment trackers (`configs/trackers/*.yaml`): offline unless a key is set."""

import os
from pathlib import Path
from typing import Literal, Protocol

from civicbench.core.content import find_content
from civicbench.core.documents import read_yaml_mapping
from civicbench.core.settings import Settings, parse_settings
from civicbench.models.loading import require_package


class TrackerSettings(Settings):
    """A tracker's settings."""

    name: str
    """The name that recipes use."""
    kind: Literal["wandb"]
    """The tracker's software."""
    project: str
    """The project under which runs are filed."""


class Tracker(Protocol):
    """Where metrics go besides the run's own file."""

    def log(self, values: dict[str, float], *, step: int) -> None:
        """Record values of a step."""

    def finish(self) -> None:
        """End the record."""


def load_tracker_settings(name: str) -> TrackerSettings:
    """Return a tracker's settings by name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    path = find_content("configs/trackers/{name}.yaml", name)
    return parse_settings(TrackerSettings, read_yaml_mapping(path), where=str(path))


def check_tracker(settings: TrackerSettings) -> None:
    """Refuse before work starts where a tracker's package is absent.

    Raises:
        PartAbsentError: With the command that installs it.
    """
    require_package(settings.kind, extra=settings.kind)


class WandbTracker:
    """Weights & Biases: a local run folder, sent only where `WANDB_API_KEY` is set.

    Args:
        settings: The tracker's settings.
        run: The run's name.
        folder: Where the local run folder goes.
        configuration: The training settings, to be shown beside the curve.
    """

    def __init__(
        self,
        settings: TrackerSettings,
        *,
        run: str,
        folder: Path,
        configuration: dict[str, object],
    ) -> None:
        # Read when wandb is imported: it would warn that an offline run has no address to show.
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=settings.project,
            name=run,
            dir=str(folder),
            mode="online" if os.environ.get("WANDB_API_KEY") else "offline",
            config=configuration,
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )

    def log(self, values: dict[str, float], *, step: int) -> None:
        """Record values of a step."""
        self._run.log(values, step=step)

    def finish(self) -> None:
        """End the run."""
        self._run.finish()
