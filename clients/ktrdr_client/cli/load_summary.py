"""What a load brought, line by line."""

from typing import Final

from ktrdr.ib.v1.ib_pb2 import DataLoadResult, DataLoadSpec, InstrumentLoad
from rich.text import Text

from ktrdr_client.bar_sizes import bar_size_name
from ktrdr_client.cli.data.commands import data_command
from ktrdr_client.cli.dataset_verdicts import counted, revision_words, verdict_text
from ktrdr_client.cli.facts import fact, source_note
from ktrdr_client.cli.words import date_text, time_text
from ktrdr_client.instruments import instrument_title
from ktrdr_client.states import what_to_show_name

_MOST_IN_FULL: Final = 5
"""Instruments that get several lines each; of more, each gets one."""


def data_load_lines(result: DataLoadResult, *, failed: bool = False) -> list[Text]:
    """Return what a load brought: for each instrument its bars, what of them is new, and how complete they are.

    Args:
        result: What it brought.
        failed: It did not get all that it asked for.
    """
    if len(result.loads) > _MOST_IN_FULL:
        return [_single_line(load, result.source, failed=failed) for load in result.loads]
    lines = []
    for load in result.loads:
        lines.append(fact("bars", _bars_words(load, failed=failed) + source_note(result.source)))
        if chunks := _chunk_words(load):
            lines.append(fact("", chunks))
        lines += [fact("CHANGED", "").append(each.text, style="bold yellow") for each in load.revisions]
        if load.HasField("verdict"):
            lines.append(_verdict_line(load))
    return lines


def asked_words(spec: DataLoadSpec) -> str:
    """Return what a load was asked for: "mode range: trades, regular hours, from 2000-03-01 00:00:00"."""
    mode = DataLoadSpec.Mode.Name(spec.mode or DataLoadSpec.MODE_RANGE).removeprefix("MODE_").lower()
    hours = "all hours" if spec.HasField("use_rth") and not spec.use_rth else "regular hours"
    parts = [f"mode {mode}: {what_to_show_name(spec.what_to_show).lower()}, {hours}"]
    parts += [f"from {time_text(spec.start_time)}"] if spec.HasField("start_time") else []
    parts += [f"up to {time_text(spec.end_time)}"] if spec.HasField("end_time") else []
    parts += ["asking again for what is known"] if spec.reload else []
    return ", ".join(parts)


def _single_line(load: InstrumentLoad, source: int, *, failed: bool) -> Text:
    line = fact("bars", f"{_bars_words(load, failed=failed)}{source_note(source)}")
    if load.HasField("verdict"):
        line.append("; ").append_text(verdict_text(load.verdict))
    if changed := revision_words(load.revisions):
        line.append(f"; CHANGED: {changed}", style="bold yellow")
    return line


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


def _bars_words(load: InstrumentLoad, *, failed: bool) -> str:
    key = load.dataset.key
    text = f"{instrument_title(key.instrument)} {bar_size_name(key.bar_size)}: {load.range_rows:,}"
    text += f" of {load.dataset.rows:,}" if 0 < load.range_rows < load.dataset.rows else ""
    if load.range_rows:
        first, last = date_text(load.range_first_bar_time), date_text(load.range_last_bar_time)
        text += f", {first} … {last}" if first != last else f", {first}"
    if not load.range_rows and not failed:
        return f"{text}; {_why_none(load)}"
    if not load.new_rows:
        return f"{text} (nothing new)"
    return text + (f" ({load.new_rows:,} new)" if load.new_rows != load.range_rows else "")


def _why_none(load: InstrumentLoad) -> str:
    if load.done_chunks or load.empty_chunks or load.skipped_chunks:
        return "the gateway has none of that time"
    return "none of that time is over by the gateway's clock, which is told by: ktrdr gateway"


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
