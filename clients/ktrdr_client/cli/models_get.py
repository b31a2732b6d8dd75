"""`ktrdr models get`: what a model is, in its own words, and its files."""

from typing import Annotated, Any, Final

import typer
from rich.text import Text

from ktrdr_client.async_client import AsyncClient
from ktrdr_client.cli.complete_operations import complete_models
from ktrdr_client.cli.control_characters import without_control_characters
from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.invocation import Invocation, OutputFormat
from ktrdr_client.cli.models_words import accuracy_words, file_record, model_record
from ktrdr_client.cli.named_models import MODELS
from ktrdr_client.cli.named_operations import Name
from ktrdr_client.cli.printer import Printer, message_values
from ktrdr_client.cli.resolve import resolve
from ktrdr_client.cli.tables import Column, table_lines
from ktrdr_client.cli.training_summary import training_lines
from ktrdr_client.cli.words import title
from ktrdr_client.models.model import ModelFiles, short_version
from ktrdr_client.sizes import size_text

CARD: Final = "model_card.md"
"""The file in which a model describes itself."""
_COLUMNS: Final = (Column("FILE"), Column("SIZE", align="right"), Column("SHA-256", flexible=True))

ModelIds = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ID",
        help="Id of a training, the beginning of one, or last: that of the newest model.",
        show_default=False,
        autocompletion=complete_models,
    ),
]
Attempt = Annotated[int, typer.Option(min=0, help="0 is the latest.")]


async def get(invocation: Invocation, ids: ModelIds = None, name: Name = None, attempt: Attempt = 0) -> None:
    """Show models: where they are, their cards and their files."""
    printer = Printer(invocation)
    found: list[tuple[ModelFiles, str]] = []
    async with AsyncClient(invocation.server) as client:
        for operation in await resolve(client, ids or [], name=name, among=MODELS):
            model = await client.models.get(operation.id, attempt=attempt)
            has_card = any(file.name == CARD for file in model.files)
            content = await client.models.read(operation.id, CARD, attempt=attempt) if has_card else b""
            found.append((model, without_control_characters(content.decode(errors="replace"))))
    if printer.format is OutputFormat.TABLE:
        for index, (model, card) in enumerate(found):
            if index:
                printer.text("")
            _print(printer, model, card)
    elif printer.format is OutputFormat.CSV:
        rows = [
            {"operation_id": model.model.operation_id, "model_version": model.version, **file_record(file)}
            for model, _ in found
            for file in model.files
        ]
        printer.rows([], [], rows, name="files")
    elif printer.format is OutputFormat.JSON and len(found) == 1:
        printer.json(_record(*found[0]))
    else:
        printer.rows([], [], [_record(model, card) for model, card in found], name="models")


def _record(files: ModelFiles, card: str) -> dict[str, Any]:
    return {
        **model_record(files.model),
        "model_version": files.version,
        "files": [file_record(file) for file in files.files],
        "card": card,
        "result": message_values(files.model.result),
    }


def _print(printer: Printer, files: ModelFiles, card: str) -> None:
    for line in _heading(files):
        printer.text(line)
    if card:
        printer.text("")
        printer.markdown(card)
        printer.text("")
    else:
        for line in training_lines(files.model.result):
            printer.text(line)
    cells = [[file.name, size_text(file.size_bytes), file.sha256] for file in files.files]
    for line in table_lines(_COLUMNS, cells, printer.out.width if printer.out.is_terminal else None):
        printer.text(line)
    printer.text(fact("next", f"ktrdr models download {files.model.operation_id}"))


def _heading(files: ModelFiles) -> list[Text]:
    model = files.model
    head = Text.assemble((title(model.operation), "bold"), f"  model {short_version(files.version)}")
    what = f"{model.strategy}, {' '.join(model.result.symbols)} {' '.join(model.result.timeframes)}"
    attempt = f", attempt {model.attempt}" if model.attempt > 1 else ""
    lines = [
        head,
        fact("strategy", what.rstrip()),
        fact("accuracy", accuracy_words(model)),
        fact("version", files.version),
        fact("operation", f"{model.operation_id}{attempt}"),
        fact("host", f"{model.host}  {model.result.artifact_folder}"),
    ]
    if model.end_time is not None:
        lines.append(fact("ended", f"{model.end_time:%Y-%m-%d %H:%M:%S} UTC"))
    return lines
