"""The command `ktrdr serve ib-host`."""

from services.common.bootstrap import serve
from services.common.serve_command import make_serve_command
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings


async def run(settings: IbHostSettings) -> int:
    """Serve until the process is asked to stop, and return the exit code."""
    return await serve(IbHostService(settings), settings)


command = make_serve_command(
    name="ib-host",
    settings=IbHostSettings,
    run=run,
    help_text="Load market data through a gateway of Interactive Brokers, and serve what is stored.",
)
