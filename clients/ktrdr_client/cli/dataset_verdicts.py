"""How complete and sound a dataset is, in few words."""

from collections.abc import Sequence
from typing import Final

from ktrdr.ib.v1.bars_pb2 import SOURCE_IMPORTED, DatasetVerdict, MissingSpan, Revision
from rich.text import Text

REASONS: Final = {
    MissingSpan.REASON_UNSPECIFIED: "not known",
    MissingSpan.REASON_NOT_LOADED: "never asked for",
    MissingSpan.REASON_GATEWAY_HAS_NONE: "the gateway has none",
    MissingSpan.REASON_LEFT_OUT: "left out by the gateway",
    MissingSpan.REASON_FAILED: "the request failed",
}


def verdict_text(verdict: DatasetVerdict) -> Text:
    """Return the verdict in its colour: "complete", or what is wrong."""
    style = "yellow" if not verdict.complete else "green" if sessions_are_known(verdict) else ""
    return Text(verdict_words(verdict), style=style)


def sessions_are_known(verdict: DatasetVerdict) -> bool:
    """Say whether it is known when there should be bars: otherwise gaps cannot be told."""
    return bool(verdict.expected_bars) or not verdict.stored_bars


def verdict_words(verdict: DatasetVerdict) -> str:
    """Return how complete and sound a dataset is: "complete", "412 bars missing in 3 stretches, 2 impossible bars"."""
    parts = fault_words(verdict)
    if verdict.missing_bars and not verdict.complete:
        parts.insert(0, missing_words(verdict))
    if parts:
        return ", ".join(parts)
    if not sessions_are_known(verdict):
        return "no sessions known"
    if verdict.missing_bars:
        bars = counted(verdict.missing_bars, "bar")
        if verdict.dataset.key.source == SOURCE_IMPORTED:
            return f"complete, but for {bars} that {'was' if verdict.missing_bars == 1 else 'were'} not imported"
        return f"complete, but for {bars} that the gateway does not have"
    return "complete" if verdict.complete else "incomplete"


def missing_words(verdict: DatasetVerdict) -> str:
    """Return how much is missing: "412 bars missing in 3 stretches"."""
    bars = f"{counted(verdict.missing_bars, 'bar')} missing"
    return f"{bars} in {verdict.missing_spans:,} stretches" if verdict.missing_spans > 1 else bars


def fault_words(verdict: DatasetVerdict) -> list[str]:
    """Return the faults of bars, each with its number."""
    counts = (
        (verdict.impossible_bars, "impossible bar"),
        (verdict.duplicate_bars, "duplicate bar"),
        (verdict.unordered_bars, "bar out of order"),
    )
    return [counted(count, noun) for count, noun in counts if count]


def revision_words(revisions: Sequence[Revision]) -> str:
    """Return how many changes of stored bars were noticed: "1 split, 2 corrections"; "" for none."""
    splits = sum(each.kind == Revision.KIND_SPLIT for each in revisions)
    counts = ((splits, "split"), (len(revisions) - splits, "correction"))
    return ", ".join(counted(count, noun) for count, noun in counts if count)


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: "1 bar", "3,270 bars", "2 bars out of order"."""
    first, _, rest = noun.partition(" out ")
    plural = first if count == 1 else f"{first}s"
    return f"{count:,} {plural}" + (f" out {rest}" if rest else "")
