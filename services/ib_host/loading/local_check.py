"""Loads that ask nothing of the gateway: what is stored is checked."""

from ktrdr.ib.v1 import bars_pb2, ib_pb2

from services.common.clock import Clock
from services.ib_host.contracts.instruments import with_defaults
from services.ib_host.loading.result import Described, instrument_load
from services.ib_host.loading.wanted import Wish
from services.ib_host.planning.span import Span
from services.ib_host.store.bar_store import BarStore
from services.ib_host.store.selection import choose, matches


def check_stored(
    store: BarStore, described: Described, spec: ib_pb2.DataLoadSpec, description: bars_pb2.Instrument, clock: Clock
) -> ib_pb2.InstrumentLoad:
    """Return what is stored of an instrument. Blocks: call it in a thread.

    Args:
        store: the bars.
        described: how datasets are described.
        spec: of the load.
        description: one of its instruments.
        clock: for dates in commands.

    Raises:
        ServiceError: DATASET_NOT_FOUND with the command that loads it; DATASET_AMBIGUOUS; STORE_CORRUPT.
    """
    wish = Wish.read(spec)
    key = bars_pb2.DatasetKey(
        instrument=_as_stored(description),
        what_to_show=spec.what_to_show or bars_pb2.WHAT_TO_SHOW_TRADES,
        use_rth=spec.use_rth if spec.HasField("use_rth") else True,
        bar_size=spec.bar_size,
    )
    listing = store.find(key.instrument)
    loaded = [dataset for dataset in listing.datasets if dataset.key.source != bars_pb2.SOURCE_IMPORTED]
    if any(matches(key, dataset.key) for dataset in loaded):  # imported bars count where there is nothing else
        listing = listing._replace(datasets=loaded)
    chosen = choose(key, listing, start=wish.start, end=wish.end, now=clock.now())
    whole = Span(wish.start, wish.end) if wish.start is not None and wish.end is not None else None
    return instrument_load(described, chosen.key, (), whole=whole, start=wish.start, end=wish.end)


def _as_stored(description: bars_pb2.Instrument) -> bars_pb2.Instrument:
    """Return a description that stored instruments are compared with: what it leaves out fits anything."""
    full = with_defaults(description)
    wanted = bars_pb2.Instrument()
    wanted.CopyFrom(description)
    wanted.symbol = full.symbol
    wanted.local_symbol, wanted.last_trade_date = full.local_symbol, full.last_trade_date
    is_pair = full.symbol != description.symbol.strip().upper()
    wanted.currency = full.currency if description.currency or is_pair else ""
    return wanted
