"""What one key of a strategy demands of another. Works on what was written, so that other faults do not hide these."""

from collections.abc import Iterator

from pydantic import ValidationError

from services.training_host.indicators.definition import INDICATOR_TYPES
from services.training_host.strategy.path import Finding
from services.training_host.strategy.written import WrittenStrategy

_SPLIT = ("training", "data_split")
_LABELS = ("training", "labels")
_TOLERANCE = 1e-6


def incoherent_parts(written: WrittenStrategy) -> Iterator[Finding]:
    """Find keys that contradict others, that others need, or that nothing reads beside others."""
    yield from _labels(written)
    yield from _loss(written)
    yield from _data_split(written)
    yield from _schedule(written)
    yield from _history(written)


def _labels(written: WrittenStrategy) -> Iterator[Finding]:
    output_format = written.at("decisions", "output_format")
    source, threshold = (written.at(*_LABELS, key) for key in ("source", "threshold"))
    if output_format == "regression":
        if source in ("zigzag", "triple_barrier"):
            yield (*_LABELS, "source"), "should be forward_return with output_format: regression"
        elif source == "forward_return" and threshold is not None:
            yield (*_LABELS, "threshold"), "is not read with output_format: regression; leave it out"
    elif output_format == "classification" and source == "forward_return" and threshold is None:
        yield (*_LABELS, "threshold"), "is missing: the return from which on a move is up or down, such as 0.02"


def _loss(written: WrittenStrategy) -> Iterator[Finding]:
    output_format, loss = written.at("decisions", "output_format"), written.at("training", "loss")
    name = loss.get("type") if isinstance(loss, dict) else loss
    path = ("training", "loss", "type") if isinstance(loss, dict) else ("training", "loss")
    if output_format == "regression" and name in (None, "cross_entropy", "focal"):
        yield path, f"{'is missing and ' if name is None else ''}should be huber with output_format: regression"
    elif output_format == "classification" and name == "huber":
        yield path, "should be cross_entropy or focal with output_format: classification"


def _data_split(written: WrittenStrategy) -> Iterator[Finding]:
    split = written.at(*_SPLIT)
    if not isinstance(split, dict):
        return
    walks = written.at("evaluation", "mode") == "walk_forward"
    test = split.get("test", 0)
    if walks and test:
        yield (
            (*_SPLIT, "test"),
            (
                "is not read with mode: walk_forward, which tests each stretch; leave it out, "
                "so that train and validation add up to 1"
            ),
        )
    elif not walks and "test" not in split:
        yield (*_SPLIT, "test"), "is missing"
    elif not walks and test == 0:
        yield (*_SPLIT, "test"), "should be greater than 0, not 0"
    else:
        shares = [split.get("train"), split.get("validation"), test]
        known = [share for share in shares if type(share) in (int, float) and 0 <= share < 1]
        if len(known) == len(shares) and abs(sum(known) - 1) > _TOLERANCE:
            names = "train and validation" if walks else "train, validation and test"
            yield _SPLIT, f"{names} add up to {sum(known):g}, not to 1"


def _schedule(written: WrittenStrategy) -> Iterator[Finding]:
    lowest = written.at("training", "lr_scheduler", "min_learning_rate")
    start = written.at("training", "learning_rate")
    if isinstance(lowest, int | float) and isinstance(start, int | float) and lowest >= start > 0:
        path = ("training", "lr_scheduler", "min_learning_rate")
        yield path, f"should be less than the learning_rate it starts from, {start:g}"


def _history(written: WrittenStrategy) -> Iterator[Finding]:
    history = written.at("training_data", "history_required")
    if type(history) is not int or history <= 0:
        return
    for name, indicator in written.indicators.items():
        warm_up = _warm_up_bars(indicator)
        if warm_up > history:
            path = ("training_data", "history_required")
            yield path, f'{history} bars are too few: indicator "{name}" has its first value after {warm_up}'


def _warm_up_bars(indicator: object) -> int:
    """Return the warm-up of an indicator; 0 for one that is not valid, which is a fault of its own."""
    kind = INDICATOR_TYPES.get(str(indicator.get("type"))) if isinstance(indicator, dict) else None
    try:
        return kind.model_validate(indicator).warm_up_bars if kind is not None else 0
    except ValidationError:
        return 0
