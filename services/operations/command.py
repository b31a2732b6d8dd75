"""The command `ktrdr serve operations`."""

from services.common.bootstrap import serve
from services.common.serve_command import make_serve_command
from services.operations.service import OperationsService
from services.operations.settings import OperationsSettings


async def _run(settings: OperationsSettings) -> int:
    return await serve(OperationsService(settings), settings)


command = make_serve_command(
    name="operations",
    settings=OperationsSettings,
    run=_run,
    help_text="Serve the registry of all operations: follow the hosts, and tell everybody how everything stands.",
)
