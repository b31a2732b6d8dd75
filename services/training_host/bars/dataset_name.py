"""Names of datasets, for people."""

from typing import Final

from ktrdr.ib.v1.bars_pb2 import DatasetKey, Source, WhatToShow

from services.training_host.bars.bar_size import BAR_SIZES

_NAMES: Final = {size: name for name, size in BAR_SIZES.items()}
_SOURCES: Final = {Source.SOURCE_REPLAY: "(REPLAY)", Source.SOURCE_IMPORTED: "(imported)"}
_PREFIX: Final = "WHAT_TO_SHOW_"


def dataset_name(key: DatasetKey) -> str:
    """Return the name of a dataset of an IB host, such as "AAPL 1d TRADES RTH (REPLAY)".

    Args:
        key: Complete, as the host tells it.
    """
    hours = "all hours" if key.HasField("use_rth") and not key.use_rth else "RTH"
    shows = WhatToShow.Name(key.what_to_show).removeprefix(_PREFIX) if key.what_to_show else "TRADES"
    words = [key.instrument.symbol, _NAMES.get(key.bar_size, ""), shows, hours]
    words.append(_SOURCES.get(key.source, ""))
    return " ".join(word for word in words if word)
