"""What is shown of models and their downloads: on a terminal, and elsewhere."""

import io
from pathlib import Path

import pytest
from ktrdr_client import DownloadProgress, Unavailable
from ktrdr_client.cli.download_display import download_display
from ktrdr_client.cli.invocation import Invocation
from ktrdr_client.cli.models_download import folder_name
from ktrdr_client.cli.models_words import accuracy_words, model_record
from ktrdr_client.cli.printer import Printer
from ktrdr_client.models.model import model_of
from rich.console import Console

from tests.support.model_folders import write_model
from tests.support.modelled_operations import training_with_model


def terminal(printer: Printer) -> io.StringIO:
    """Let a printer print to a terminal, and return what that shows."""
    shown = io.StringIO()
    printer.out = printer.err = Console(file=shown, width=80, force_terminal=True, color_system=None)
    return shown


def test_a_card_is_laid_out_on_a_terminal_only(capsys: pytest.CaptureFixture[str]) -> None:
    card = "# swing\n\n- a **bold** word\n\n" + "word " * 30
    printer = Printer(Invocation("x:1"))
    printer.markdown(card)
    assert capsys.readouterr().out.splitlines() == [line.rstrip() for line in card.splitlines()]
    shown = terminal(printer)
    printer.markdown(card)
    lines = shown.getvalue().splitlines()
    assert "a bold word" in "\n".join(line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in lines)
    assert max(len(line) for line in lines) <= 100, "long lines are wrapped"
    assert len([line for line in lines if "word word" in line]) == 2


def test_a_terminal_shows_a_bar_and_what_broke() -> None:
    printer = Printer(Invocation("x:1"))
    shown = terminal(printer)
    with download_display(printer) as display:
        display.update(DownloadProgress("model.safetensors", 512, 1024, 1024, 2048))
        display.interrupted(Unavailable("the host is away"), 0.5)
        display.update(DownloadProgress("model.safetensors", 1024, 1024, 1536, 2048))
    text = shown.getvalue()
    assert "the host is away; trying again in 0.5 s" in text
    assert "model.safetensors" in text
    assert "1.5/2.0 KiB" in text


def test_elsewhere_each_file_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with download_display(Printer(Invocation("x:1"))) as display:
        display.update(DownloadProgress("a", 5, 10, 5, 20))
        display.update(DownloadProgress("a", 10, 10, 10, 20))
        display.interrupted(Unavailable("the host is away"), 0.5)
        display.update(DownloadProgress("b", 10, 10, 20, 20))
    told = capsys.readouterr()
    assert told.err.splitlines() == ["a  10 B", "the host is away; trying again in 0.5 s", "b  10 B"]
    assert not told.out


def test_models_in_words(tmp_path: Path) -> None:
    model = model_of(training_with_model("op0000000001", write_model(tmp_path, "s")))
    assert accuracy_words(model) == "47.1 % (majority 44.0 %)"
    assert folder_name(model) == f"swing-{model.version[:12]}"
    model.result.test.samples = 10  # and no classes: a regression
    assert accuracy_words(model) == "sign 47.1 % (majority 44.0 %)"
    model.result.test_accuracy = float("nan")
    assert model_record(model)["test_accuracy"] is None
    model.result.strategy, model.result.model_version = "../ swing über/alles", ""
    assert folder_name(model) == "swing-ber-alles-op0000000001"
