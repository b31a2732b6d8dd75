"""Which dataset is meant."""

from collections.abc import Sequence

from ktrdr.ib.v1 import bars_pb2
from ktrdr.ib.v1.bars_pb2 import DatasetKey, Source

from ktrdr_client.bar_files.manifest import Manifest
from ktrdr_client.errors import FieldFault, InvalidArgument, NotFound
from ktrdr_client.instruments import instrument_title

_TEXTS = ("exchange", "primary_exchange", "currency", "local_symbol", "last_trade_date")


def fits(wanted: DatasetKey, stored: DatasetKey) -> bool:
    """Say whether a stored dataset is what a key means; what that leaves out fits anything.

    Args:
        wanted: With bar size and prices, and an instrument.
        stored: Complete.
    """
    asked, has = wanted.instrument, stored.instrument
    return (
        asked.symbol.upper() in {"", has.symbol.upper(), has.local_symbol.upper()}
        and asked.contract_id in {0, has.contract_id}
        and asked.security_type in {bars_pb2.SECURITY_TYPE_UNSPECIFIED, has.security_type}
        and all(getattr(asked, name) in {"", getattr(has, name)} for name in _TEXTS)
        and wanted.source in {bars_pb2.SOURCE_UNSPECIFIED, stored.source}
        and wanted.what_to_show == stored.what_to_show
        and wanted.use_rth == stored.use_rth
        and wanted.bar_size == stored.bar_size
    )


def choose(wanted: DatasetKey, manifests: Sequence[Manifest], url: str) -> Manifest:
    """Return the one dataset that fits.

    Raises:
        NotFound: There is none.
        InvalidArgument: Several fit; the message says what tells them apart.
    """
    found = [manifest for manifest in manifests if fits(wanted, manifest.dataset.key)]
    name = instrument_title(wanted.instrument)
    if not found:
        message = f"there are no such bars of {name} in {url}; see what there is with datasets()"
        raise NotFound(message, reason="DATASET_NOT_FOUND")
    if len({manifest.dataset.key.source for manifest in found}) > 1:
        sources = {Source.Name(each.dataset.key.source).removeprefix("SOURCE_").lower() for each in found}
        raise _ambiguous(name, "source", f"set it to {' or '.join(sorted(sources))}")
    found = [each for each in found if not each.dataset.key.instrument.contract_id] or found
    if len(found) > 1:
        instruments = [each.dataset.key.instrument for each in found]
        field = "contract_id" if instruments[0].contract_id else "currency"
        if field == "currency" and any(each.local_symbol for each in instruments):
            field = "local_symbol"
        values = ", ".join(sorted({str(getattr(each, field)) for each in instruments}))
        raise _ambiguous(name, "symbol", f"name an Instrument whose {field} is one of {values}")
    return found[0]


def _ambiguous(name: str, field: str, advice: str) -> InvalidArgument:
    fault = FieldFault(field, advice)
    message = f"several datasets of {name} fit: {advice}"
    return InvalidArgument(message, reason="DATASET_AMBIGUOUS", fields=[fault])
