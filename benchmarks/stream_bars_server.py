"""The servers that stream_bars asks: `python -m benchmarks.stream_bars_server WAY HOME`, each a process of its own.

`ib-host` is the real one, its gateway away; `messages` answers with repeated messages, one for each bar; `flight` is
Arrow Flight over a table in memory. The address is written to HOME/ready-WAY.json.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
from pyarrow import flight

from benchmarks.bar_messages import METHOD, SERVICE, Bars
from services.common.bootstrap import serve
from services.common.channel import server_options
from services.common.log import configure_logging
from services.ib_host.service import IbHostService
from services.ib_host.settings import IbHostSettings
from services.ib_host.store.bar_store import BarStore

MESSAGE_ROWS = 8_192


def stored_table(home: Path) -> pa.Table:
    """Return the only dataset of a home."""
    store = BarStore(home)
    snapshot = store.open(store.list_all().datasets[0].key)
    assert snapshot is not None
    with snapshot:
        return pa.concat_tables(snapshot.tables()).combine_chunks()


class TableFlight(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow has no types
    """Serves one table."""

    def __init__(self, home: Path) -> None:
        super().__init__("grpc://127.0.0.1:0")
        self._table = stored_table(home)

    def do_get(self, context: object, ticket: object) -> flight.RecordBatchStream:  # noqa: ARG002 - Flight's signature
        """Stream the table."""
        return flight.RecordBatchStream(self._table)


def messages_server(home: Path) -> tuple[grpc.Server, int]:
    """Return a started server of repeated messages, and its port."""
    table = stored_table(home)
    columns = [column.cast(pa.int64()) if column.type != pa.float64() else column for column in table.columns]

    def stream(request: bytes, context: object) -> Iterator[object]:  # noqa: ARG001 - gRPC's signature
        for start in range(0, table.num_rows, MESSAGE_ROWS):
            rows = zip(*(column.slice(start, MESSAGE_ROWS).to_pylist() for column in columns), strict=True)
            message = Bars()
            for time, open_, high, low, close, volume, wap, count in rows:
                message.bars.add(
                    time=time, open=open_, high=high, low=low, close=close, volume=volume, wap=wap, count=count
                )
            yield message

    handler: Any = grpc.unary_stream_rpc_method_handler(
        stream, response_serializer=lambda bars: bars.SerializeToString()
    )
    server = grpc.server(futures.ThreadPoolExecutor(2), options=server_options())
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main(way: str, home: Path) -> int:
    """Serve until ended."""
    ready = home / f"ready-{way}.json"
    if way == "ib-host":
        settings = IbHostSettings(home=home, port=0, gateway="127.0.0.1:9", ready_file=ready, log_level="error")
        configure_logging(level="error", form="json", service="ib-host")
        return asyncio.run(serve(IbHostService(settings), settings))
    if way == "messages":
        server, port = messages_server(home)
        ready.write_text(json.dumps({"address": f"127.0.0.1:{port}"}))
        server.wait_for_termination()
        return 0
    with TableFlight(home) as tables:
        ready.write_text(json.dumps({"address": f"127.0.0.1:{tables.port}"}))
        tables.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
