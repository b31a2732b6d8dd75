"""Keep the bars of some symbols up to date, and a Parquet file of each for other programs.

    python examples/keep_up_to_date.py FOLDER BAR SYMBOL… [--server HOST:PORT]

What is stored already is not asked for again, so it can run each night. The exit code is 1 when bars are missing that
the gateway may have.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ktrdr_client import DEFAULT_ADDRESS, Client, NotFound


def main(arguments: Sequence[str]) -> int:
    """Load, check and export.

    Raises:
        KtrdrError: A load failed, or a service does not answer.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bar")
    parser.add_argument("symbols", nargs="+")
    parser.add_argument("--server", default=DEFAULT_ADDRESS)
    asked = parser.parse_args(arguments)
    asked.folder.mkdir(parents=True, exist_ok=True)
    complete = True
    with Client(asked.server) as client:
        for symbol in asked.symbols:
            # All that there is at first; later only what came after the last stored bar.
            mode = "tail" if is_stored(client, symbol, asked.bar) else "full"
            operation = client.create_data_load(symbol, asked.bar, mode=mode)
            result = client.wait(operation.id).raise_for_error().data_load
            new = sum(load.new_rows for load in result.loads) if result is not None else 0
            verdict = client.data.check(symbol, asked.bar)
            complete &= verdict.complete
            path = asked.folder / f"{symbol}_{asked.bar}.parquet"
            exported = client.data.export(symbol, asked.bar, path, overwrite=True)
            replay = " REPLAY" if exported.is_replay else ""
            print(f"{path}: {exported.rows:,} bars, {new:,} new, {verdict.missing_bars:,} missing{replay}")
    return 0 if complete else 1


def is_stored(client: Client, symbol: str, bar: str) -> bool:
    """Say whether there are bars to go on from."""
    try:
        client.data.check(symbol, bar)
    except NotFound:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
