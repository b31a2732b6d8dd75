"""The command `ktrdr serve training-host`."""

import os

from services.common.bootstrap import serve
from services.common.serve_command import make_serve_command
from services.training_host.service import TrainingHostService
from services.training_host.settings import TrainingHostSettings


async def run(settings: TrainingHostSettings) -> int:
    """Run a training host as this process until it is asked to stop, and return the exit code.

    Raises:
        CannotStartError: An occupied port, an unwritable folder, or one that another host uses.
    """
    return await serve(TrainingHostService(settings, os.environ), settings)


command = make_serve_command(
    name="training-host",
    settings=TrainingHostSettings,
    run=run,
    help_text="Train strategies, each in a process of its own.",
)
