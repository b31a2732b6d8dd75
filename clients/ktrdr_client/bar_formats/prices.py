"""Prices that cannot be."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ktrdr_client.bar_formats.faults import RowFaults

_TOLERANCE: Final = 1e-9
"""Of a price: the noise of float arithmetic is no fault."""


def check_prices(columns: dict[str, pa.ChunkedArray], faults: RowFaults) -> None:
    """Find bars whose high or low another price of theirs is beyond, as the IB host would.

    Args:
        columns: Open, high, low and close by name; finite.
        faults: Takes what is wrong, by row.
    """
    slack = pc.multiply(pc.abs(columns["high"]), _TOLERANCE)
    above, below = pc.add(columns["high"], slack), pc.subtract(columns["low"], slack)
    for name in ("low", "open", "close"):
        prices = columns[name]
        _tell(pc.less(above, prices), "high", "below", columns["high"], name, prices, faults)
        if name != "low":
            _tell(pc.greater(below, prices), "low", "above", columns["low"], name, prices, faults)


def _tell(
    wrong: pa.ChunkedArray,
    extreme: str,
    where: str,
    extremes: pa.ChunkedArray,
    name: str,
    prices: pa.ChunkedArray,
    faults: RowFaults,
) -> None:
    if not pc.any(wrong).as_py():
        return
    for row, is_wrong in enumerate(wrong.to_pylist()):
        if is_wrong:
            faults.add(row, f"{extreme} {extremes[row].as_py():g} is {where} {name} {prices[row].as_py():g}")
