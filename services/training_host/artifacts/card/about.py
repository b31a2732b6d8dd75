"""What a model was made of."""

from ktrdr.ib.v1.bars_pb2 import SOURCE_REPLAY

from services.training_host.artifacts.card.table import table
from services.training_host.bars.loaded import LoadedBars
from services.training_host.dataset import Dataset
from services.training_host.features.column import FeatureColumn
from services.training_host.strategy.evaluation import WalkForward
from services.training_host.strategy.strategy import Strategy


def network_lines(strategy: Strategy) -> list[str]:
    """Say in a few words what the network is and what it answers."""
    model, labels = strategy.model, strategy.training.labels
    hidden = ", ".join(str(units) for units in model.architecture.hidden_layers)
    reads = f" over the last {model.sequence_length} bars" if model.sequence_length > 1 else ""
    rules = ", ".join(f"{name} {value}" for name, value in labels if name != "source" and value is not None)
    answers = "the return" if strategy.is_regression else f"one of {', '.join(strategy.classes)}"
    text = (
        f"A network of a neuro-fuzzy strategy: `{model.type}`{reads}, hidden layers {hidden}. At each "
        f"{strategy.base_timeframe} bar's close it answers {answers} (labels: {labels.source}, {rules}). "
        f"Loss {strategy.training.loss.type}, optimizer {strategy.training.optimizer}, seed {strategy.training.seed}."
    )
    return [text, ""]


def data_lines(loaded: LoadedBars) -> list[str]:
    """Name the bars."""
    rows = [
        [f"{bars.symbol} {bars.timeframe}", f"{len(bars):,}", bars.time(0).isoformat(), bars.time(-1).isoformat()]
        for bars in loaded.series.values()
    ]
    replayed = "REPLAY: recorded history. " if loaded.source == SOURCE_REPLAY else ""
    return [
        *table(["bars", "count", "first (UTC)", "last (UTC)"], rows),
        f"{replayed}SHA-256 of the bars: `{loaded.fingerprint()}`. Where they came from is in `training.json`.",
        "",
    ]


def input_lines(dataset: Dataset) -> list[str]:
    """Name the inputs."""
    rows = [[column.name, column.source, column.timeframe, _made(column)] for column in dataset.columns]
    return table(["input", "from", "timeframe", "as"], rows)


def split_lines(strategy: Strategy, dataset: Dataset) -> list[str]:
    """Tell how the samples were parted."""
    last = dataset.folds[-1].split
    sizes = f"{len(last.train):,} samples train, {len(last.validation):,} validate, {len(last.test):,} test"
    purged = (
        f"{len(last.purged):,} are left out at the borders, as their label is known only after the next part begins"
    )
    if strategy.evaluation.embargo:
        purged += f", or they are among the first {strategy.evaluation.embargo} bars after a border"
    if isinstance(strategy.evaluation, WalkForward):
        return [f"{len(dataset.folds)} trainings walk forward; the last one, which is kept: {sizes}; {purged}.", ""]
    return [f"In the order of time: {sizes}; {purged}.", ""]


def _made(column: FeatureColumn) -> str:
    if column.membership is None:
        return "its value" if column.normalization == "none" else f"{column.normalization} of its value"
    parameters = ", ".join(f"{value:g}" for value in column.membership.parameters)
    return f"{column.membership.type} ({parameters})"
