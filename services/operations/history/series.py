"""Series of points as they travel in messages."""

from collections.abc import Iterable

from ktrdr.host.v1.metrics_pb2 import MetricSeries


def seqs_of(series: MetricSeries) -> list[int]:
    """Return the sequence number of each point of a series, also where they travel as a first number only."""
    if series.seqs:
        return list(series.seqs)
    return list(range(series.first_seq, series.first_seq + len(series.values)))


def series_of(name: str, seqs: list[int], source: MetricSeries, start: int, end: int) -> MetricSeries:
    """Return the points `start` to `end` of `source`, whose sequence numbers are `seqs`."""
    chosen = seqs[start:end]
    return build_series(name, chosen, source.steps[start:end], source.values[start:end], source.times[start:end])


def build_series(
    name: str, seqs: list[int], steps: Iterable[int], values: Iterable[float], times: Iterable[int]
) -> MetricSeries:
    """Return a series of points; sequence numbers that are contiguous are left implicit."""
    first = seqs[0] if seqs else 0
    contiguous = not seqs or seqs[-1] - first + 1 == len(seqs)
    return MetricSeries(
        name=name, first_seq=first, seqs=() if contiguous else seqs, steps=steps, values=values, times=times
    )
