"""Lines of a summary."""

from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY
from rich.text import Text

from ktrdr_client.states import source_name

_LABEL_WIDTH = 15


def fact(label: str, text: str) -> Text:
    """Return one line: a label and what there is to say."""
    return Text.assemble((f"  {label:<{_LABEL_WIDTH}}", "dim"), text)


def source_note(source: int) -> str:
    """Return where bars come from, as an addition to a line; "" for a local file."""
    if source == SOURCE_REPLAY:
        return "  (REPLAY)"
    return f"  ({source_name(source)})" if source else ""  # type: ignore[arg-type]  # enum values are ints at run time
