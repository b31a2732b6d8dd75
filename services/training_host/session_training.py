"""Training inside a session: from its spec to its result."""

from google.protobuf import json_format
from ktrdr.training.v1.training_pb2 import TrainingSpec

from services.host.folder import SessionFolder
from services.host.worker import WorkerSession
from services.training_host.bars.cache import BarCache
from services.training_host.bars.chosen import chosen_bars
from services.training_host.bars.loaded import LoadedBars
from services.training_host.checkpoints.store import CheckpointStore
from services.training_host.failures import strategy_invalid
from services.training_host.model_files.sessions import MODEL_FOLDER
from services.training_host.result import training_result
from services.training_host.strategy.check import load_strategy
from services.training_host.strategy.effective import effective_text
from services.training_host.strategy.fault import StrategyInvalid
from services.training_host.strategy.strategy import Strategy
from services.training_host.training_run import TrainingRun


def train_session(session: WorkerSession, *, ib_host: str, threads: int, cache: BarCache | None = None) -> None:
    """Train what a session asks for, and record the result.

    Args:
        session: The session, entered.
        ib_host: Address of the IB host, HOST:PORT.
        threads: Threads inside one operation of the network.
        cache: Of bars that were read from the IB host before; None for none.

    Raises:
        ktrdr_bridge.Cancelled: A stop was asked for.
        ServiceError: Strategy, bars, device or checkpoint do not allow it, or files cannot be written.
    """
    spec = json_format.Parse(session.spec_json, TrainingSpec())
    overrides = dict(spec.overrides)
    try:
        strategy = load_strategy(spec.strategy, overrides)
    except StrategyInvalid as error:
        # Checked at the start already; a newer host may have adopted an older one's session.
        raise strategy_invalid(error.faults) from None
    load_bars = chosen_bars(spec, ib_host=ib_host, progress=session.bridge, cache=cache)
    checkpoints = CheckpointStore(SessionFolder(session.folder).checkpoints, keep=strategy.training.checkpoints.keep)

    def recorded_bars(strategy: Strategy) -> LoadedBars:
        loaded = load_bars(strategy)
        session.record_inputs(loaded.datasets)
        return loaded

    model = TrainingRun(
        strategy=strategy,
        strategy_text=effective_text(spec.strategy, overrides),
        overrides=overrides,
        load_bars=recorded_bars,
        folder=session.artifacts / MODEL_FOLDER,
        session_id=session.folder.name,
        progress=session.bridge,
        checkpoints=checkpoints,
        threads=threads,
    ).run()
    session.complete(training_result(model))
    # Only now: until the result is there the training may still have to be gone on with.
    checkpoints.clear()
