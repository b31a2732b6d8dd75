"""Calls that create operations."""

import uuid
from collections.abc import Mapping, Sequence
from os import PathLike

from ktrdr.ib.v1.bars_pb2 import Instrument
from ktrdr.operations.v1 import operations_pb2 as pb

from ktrdr_client.specs import Moment, data_load_spec, training_spec
from ktrdr_client.topics.connection import Connection
from ktrdr_client.verdicts import parse_verdict_kind
from ktrdr_client.work_options import Duration, session_options


class CreatingCalls(Connection):
    """Creates operations."""

    async def create_training(
        self,
        strategy_text: str,
        *,
        overrides: Mapping[str, str] | None = None,
        bars_path: str | PathLike[str] | None = None,
        source: str | None = None,
        what_to_show: str = "",
        name: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        gpus: int | None = None,
        threads: int | None = None,
        memory: int | str | None = None,
        niceness: int | None = None,
        time_limit: Duration | None = None,
        stop_on: Sequence[str] = (),
        request_id: str | None = None,
    ) -> pb.Operation:
        """Train a strategy.

        Args:
            strategy_text: The YAML of the strategy; it travels as text, so that the host needs no file.
            overrides: Dotted paths of keys to their new values as YAML: {"training.epochs": "20"}.
            bars_path: Parquet or CSV file on the training host's machine, instead of the IB host's bars.
            source: "ib", "replay" or "imported", where bars of several are stored.
            what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, else trades.
            name: Name for people.
            labels: Labels to keep with it.
            host: Host to run on; empty lets the service choose.
            gpus: GPUs that it has for itself, 0 for the processor alone; None lets the host choose.
            threads: Threads that it computes with on the processor; None lets the host choose.
            memory: Most memory for data that each of its processes can reserve: bytes, or "8GiB".
            niceness: How far it steps back behind other processes, 0 to 19.
            time_limit: Longest time to work, as a timedelta, in seconds or "2h30m"; it fails beyond.
            stop_on: Cancel it when one of these is found in its metrics: "nan", "divergence", "plateau", …
            request_id: Makes the call repeatable from another process; by default each call is its own.

        Returns:
            The operation as it was stored: PENDING, QUEUED or RUNNING.

        Raises:
            InvalidArgument: The strategy breaks the format's rules; `fields` has each fault.
            FailedPrecondition: There is no host for it, none with so many GPUs, or no bars.
            AlreadyExists: The request id was used for something else.
            ValueError: `source` or `what_to_show` is none, a limit is none, or a word of `stop_on` names no verdict.
        """
        options = session_options(gpus=gpus, threads=threads, memory=memory, niceness=niceness, time_limit=time_limit)
        spec = training_spec(
            strategy_text, overrides=overrides, bars_path=bars_path, source=source, what_to_show=what_to_show
        )
        return await self.create(
            pb.CreateOperationRequest(
                request_id=request_id or "",
                training=spec,
                display_name=name,
                labels=labels or {},
                host=host,
                options=options,
                stop_on=[parse_verdict_kind(word) for word in stop_on],
            )
        )

    async def create_data_load(
        self,
        instruments: Sequence[str | Instrument] | str | Instrument,
        bar_size: str,
        *,
        mode: str = "",
        start: Moment | None = None,
        end: Moment | None = None,
        what_to_show: str = "",
        use_rth: bool = True,
        reload: bool = False,
        name: str = "",
        labels: Mapping[str, str] | None = None,
        host: str = "",
        time_limit: Duration | None = None,
        request_id: str | None = None,
    ) -> pb.Operation:
        """Load bars into the IB host's store.

        Args:
            instruments: Symbols of US stocks or currency pairs ("EUR.USD"), or instruments where more has to be said.
            bar_size: "1d", "1h", "5min", …
            mode: "range" for the bars from start to end; "tail" for those from the last stored one on, "backfill" for
                those from the first stored one back, "full" for all that there are; "local" asks the gateway for
                nothing and checks what is stored. Empty: a range.
            start: First day or instant, UTC. A range needs it, and so does a tail of what is not stored yet.
            end: Last day (counted in full) or end instant (exclusive), UTC; None for now.
            what_to_show: "trades", "midpoint", "bid", "ask" or "adjusted_last"; empty: midpoint for forex, which has
                no trades, and trades for everything else.
            use_rth: Regular trading hours only.
            reload: Ask also for what earlier loads have, or know that the gateway does not have.
            name: Name for people.
            labels: Labels to keep with it.
            host: Host to run on; empty lets the service choose.
            time_limit: Longest time to work, as a timedelta, in seconds or "2h30m"; it fails beyond.
            request_id: Makes the call repeatable from another process; by default each call is its own.

        Raises:
            InvalidArgument: A field is wrong, such as an end before the start.
            FailedPrecondition: There is no host for it.
            ValueError: A text cannot be understood, or a range has no start.
        """
        spec = data_load_spec(
            instruments,
            bar_size,
            mode=mode,
            start=start,
            end=end,
            what_to_show=what_to_show,
            use_rth=use_rth,
            reload=reload,
        )
        return await self.create(
            pb.CreateOperationRequest(
                request_id=request_id or "",
                data_load=spec,
                display_name=name,
                labels=labels or {},
                host=host,
                options=session_options(time_limit=time_limit),
            )
        )

    async def create(self, request: pb.CreateOperationRequest) -> pb.Operation:
        """Create an operation from a complete request.

        Without a request id it gets one, so that a retry runs nothing twice.

        Raises:
            KtrdrError: It was refused, or the service does not answer.
        """
        if not request.request_id:
            request.request_id = str(uuid.uuid4())
        return await self._call(self._stub.CreateOperation, request)
