"""The parts about trends, put together."""

from collections.abc import Mapping
from typing import Final

from services.common.clock import Clock
from services.operations.followed_host import FollowedHost
from services.operations.registry import Registry
from services.operations.settings import OperationsSettings
from services.operations.trends.board import TrendBoard
from services.operations.trends.diagnosis import Diagnosis
from services.operations.trends.late import Amender, LateVerdicts
from services.operations.trends.replay import BlockReader
from services.operations.trends.stopping import Canceller

_REFRESH_INTERVALS: Final = 5
"""Evidence that has changed is told after so many looks; that a verdict appears or ends, at once."""


def trends(
    registry: Registry,
    reader: BlockReader,
    hosts: Mapping[str, FollowedHost],
    canceller: Canceller,
    clock: Clock,
    settings: OperationsSettings,
) -> tuple[TrendBoard, Diagnosis]:
    """Return what looks at operations at work, and what looks at whole histories.

    Args:
        registry: The operations.
        reader: Questions to the store.
        hosts: All hosts by name.
        canceller: Stops operations.
        clock: The time.
        settings: Thresholds, series and intervals.
    """
    names = settings.trend_names
    board = TrendBoard(
        registry,
        reader,
        hosts,
        canceller,
        clock,
        thresholds=settings.trends,
        names=names,
        interval_seconds=settings.trend_interval_seconds,
        refresh_seconds=_REFRESH_INTERVALS * settings.trend_interval_seconds,
    )
    return board, Diagnosis(registry, reader, board, settings.trends, names)


def late_verdicts(
    registry: Registry, reader: BlockReader, amender: Amender, clock: Clock, settings: OperationsSettings
) -> LateVerdicts:
    """Return what looks at attempts that ended too early for the board.

    Args:
        registry: The operations.
        reader: Questions to the store.
        amender: Changes operations that have ended.
        clock: The time.
        settings: Thresholds and series.
    """
    return LateVerdicts(registry, reader, amender, settings.trends, settings.trend_names, clock)
