"""`ktrdr models download`."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.complete_operations import complete_models
from ktrdr_client.cli.download_display import download_display
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.models_get import Attempt
from ktrdr_client.cli.models_words import file_record
from ktrdr_client.cli.named_models import MODELS
from ktrdr_client.cli.named_operations import Name
from ktrdr_client.cli.printer import Printer
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.errors import KtrdrError, WaitTimeout
from ktrdr_client.models.model import DownloadedModel, Model, model_of, short_version
from ktrdr_client.sizes import size_text


async def download(
    invocation: Invocation,
    id_: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="Id of a training, the beginning of one, or last: that of the newest model.",
            show_default=False,
            autocompletion=complete_models,
        ),
    ] = None,
    name: Name = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Where the files go.", show_default="STRATEGY-VERSION"),
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", metavar="NAME", help="Only this file; may be repeated.")
    ] = None,
    attempt: Attempt = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace files of the same names with another content.")
    ] = False,
) -> None:
    """Download the files of a model and check their digests; what was broken off goes on where it stopped."""
    printer = Printer(invocation)
    async with AsyncClient(invocation.server) as client:
        (operation,) = await resolve(client, [id_] if id_ else [], name=name, among=MODELS)
        folder = to or Path(folder_name(model_of(operation, attempt)))
        again = _same_command(operation.id, folder, file or [], attempt, overwrite=overwrite)
        invocation.on_interrupt[:] = [f"stopped; what has come is kept.  go on with it: {again}"]
        limit_seconds = invocation.timeout.total_seconds() if invocation.timeout is not None else None
        try:
            with download_display(printer) as display:
                async with asyncio.timeout(limit_seconds):
                    downloaded = await client.models.download(
                        operation.id,
                        folder,
                        names=file or [],
                        attempt=attempt,
                        overwrite=overwrite,
                        on_progress=display.update,
                        on_interruption=display.interrupted,
                    )
        except KtrdrError:
            raise
        except TimeoutError:
            message = f"the time to download ({limit_seconds:g} s) is over; go on with it: {again}"
            raise WaitTimeout(message) from None
        except OSError as error:
            message = f"cannot write into {folder}: {error.strerror or error}\n  then go on with: {again}"
            raise KtrdrError(message) from None
    _print(printer, downloaded)


def folder_name(model: Model) -> str:
    """Return the name of the folder for a model: the same one for the same model, so that downloads go on there."""
    strategy = re.sub(r"[^A-Za-z0-9._-]+", "-", model.strategy).strip("-.") or "model"
    return f"{strategy}-{short_version(model.version) or model.operation_id}"


def _same_command(operation_id: str, folder: Path, names: list[str], attempt: int, *, overwrite: bool) -> str:
    words = ["ktrdr", "models", "download", operation_id, "--to", str(folder)]
    for name in names:
        words += ["--file", name]
    words += ["--attempt", str(attempt)] if attempt else []
    words += ["--overwrite"] if overwrite else []
    return shlex.join(words)


def _print(printer: Printer, downloaded: DownloadedModel) -> None:
    folder = str(downloaded.folder)
    files = [file_record(file) for file in downloaded.files]
    if printer.format is OutputFormat.TABLE:
        size = size_text(sum(file.size_bytes for file in downloaded.files))
        printer.text(folder)
        count = f"{len(files)} {'file' if len(files) == 1 else 'files'}"
        printer.message(f"{count}, {size}, digests are right; model {short_version(downloaded.version)}")
    elif printer.format is OutputFormat.JSON:
        operation_id = downloaded.model.operation_id
        printer.json(
            {"operation_id": operation_id, "model_version": downloaded.version, "folder": folder, "files": files}
        )
    else:
        rows = [{**file, "path": str(downloaded.folder / file["name"])} for file in files]
        printer.rows([], [], rows, name="files")
