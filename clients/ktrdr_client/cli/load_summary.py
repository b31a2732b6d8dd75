"""What a load brought, line by line."""

from ktrdr.ib.v1.ib_pb2 import DataLoadResult, InstrumentLoad
from rich.text import Text

from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.data.commands import data_command
from ktrdr_client.cli.dataset_verdicts import counted, revision_words, verdict_text
from ktrdr_client.cli.facts import fact, source_note
from ktrdr_client.cli.words import date_text
from ktrdr_client.instruments import instrument_title


def data_load_lines(result: DataLoadResult) -> list[Text]:
    """Return what a load brought: for each instrument its bars, what of them is new, and how complete they are."""
    lines = []
    for load in result.loads:
        lines.append(fact("bars", _bars_words(load) + source_note(result.source)))
        if chunks := _chunk_words(load):
            lines.append(fact("", chunks))
        lines += [fact("CHANGED", "").append(each.text, style="bold yellow") for each in load.revisions]
        if load.HasField("verdict"):
            lines.append(_verdict_line(load))
    return lines


def load_commands(result: DataLoadResult) -> list[str]:
    """Return what to type next."""
    loads = [load for load in result.loads if load.range_rows]
    gaps = [load for load in result.loads if load.HasField("verdict") and load.verdict.missing_bars]
    gaps = [load for load in gaps if not load.verdict.complete]
    commands = [data_command("show", load.dataset.key) for load in loads[:1]]
    return commands + [data_command("gaps", load.dataset.key) for load in gaps[:3]]


def changed_words(result: DataLoadResult) -> str:
    """Return what stored bars were changed: "1 split noticed in AAPL"; "" for none."""
    return ", ".join(
        f"{revision_words(load.revisions)} noticed in {instrument_title(load.dataset.key.instrument)}"
        for load in result.loads
        if load.revisions
    )


def _bars_words(load: InstrumentLoad) -> str:
    key = load.dataset.key
    text = f"{instrument_title(key.instrument)} {bar_size_name(key.bar_size)}: {load.range_rows:,}"
    text += f" of {load.dataset.rows:,}" if 0 < load.range_rows < load.dataset.rows else ""
    if load.range_rows:
        first, last = date_text(load.range_first_bar_time), date_text(load.range_last_bar_time)
        text += f", {first} … {last}" if first != last else f", {first}"
    if not load.new_rows:
        return f"{text} (nothing new)"
    return text + (f" ({load.new_rows:,} new)" if load.new_rows != load.range_rows else "")


def _chunk_words(load: InstrumentLoad) -> str:
    """Return what was asked for; nothing where all of it brought bars, as it should be."""
    if not (load.empty_chunks or load.skipped_chunks):
        return ""
    parts = [f"{counted(load.done_chunks, 'chunk')} with bars"]
    parts += [f"{load.empty_chunks:,} empty"] if load.empty_chunks else []
    parts += [f"{load.skipped_chunks:,} known before"] if load.skipped_chunks else []
    return ", ".join(parts)


def _verdict_line(load: InstrumentLoad) -> Text:
    return Text.assemble(fact("verdict", ""), verdict_text(load.verdict))
