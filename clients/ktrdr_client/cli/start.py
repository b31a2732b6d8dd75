"""What `train` and `data load` do once their operation is created."""

from ktrdr.operations.v1.operations_pb2 import Operation

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.display import heading
from ktrdr_client.cli.exit_codes import ExitCode
from ktrdr_client.cli.follow import choose_display, exit_code, follow
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.summary import print_finished


def note_request(invocation: Invocation, look: str = "ktrdr ops list") -> None:
    """Let Ctrl-C say what may have begun: the service goes on with a request although nobody waits for its answer."""
    invocation.on_interrupt[:] = [
        f"stopped waiting; it may have begun all the same.  see: {look}",
        "to end it:  ktrdr ops cancel ID",
    ]


async def finish_or_detach(
    client: AsyncClient, operation: Operation, invocation: Invocation, printer: Printer, *, wait: bool
) -> ExitCode:
    """Follow a new operation to its end and say how it ended; or, detached, print its id and how to follow it."""
    if not wait:
        if printer.format is OutputFormat.TABLE:
            printer.text(operation.id)
        else:
            printer.rows([], [], [message_values(operation)], name="operations")
        printer.message(f"{_begun(operation)}\n  follow it:  ktrdr ops watch {operation.id}")
        return ExitCode.OK
    display = choose_display(printer, several=False)
    if not printer.live:
        printer.message(heading(operation))
    ended = await follow(client, [operation], invocation, display)
    print_finished(printer, ended)
    return exit_code(ended)


def _begun(operation: Operation) -> str:
    """Say that an operation has begun, or what it waits for."""
    waits = operation.wait_reason or operation.progress.wait_reason
    return f"created {heading(operation)}\n  it waits:   {waits}" if waits else f"started {heading(operation)}"
