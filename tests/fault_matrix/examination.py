"""What must be true of a case that was played."""

from collections.abc import Iterator
from datetime import UTC, datetime

from ktrdr.host.v1.session_pb2 import Session
from ktrdr.ib.v1 import ib_pb2

from services.common.errors import reason_name, reason_of
from tests.fault_matrix.cases import BY_THE_CLOCK, Case, Mode
from tests.fault_matrix.world import LEAVE_OUT, Played, Row


def problems(played: Played) -> list[str]:
    """Return everything that is wrong; nothing when no bar is lost, wrong, or missing without being told."""
    return [f"{played.case}: {problem}" for problem in _problems(played)]


def _problems(played: Played) -> Iterator[str]:
    case = played.case
    if played.open_requests:
        yield f"{played.open_requests} requests are still open"
    idle = [name for name, fired in played.fired.items() if not fired]
    if case.faults and len(idle) == len(case.faults) and not _may_not_fire(case):
        yield "the fault never happened"
    source = {row[0]: row for row in played.source}
    yield from _stored_rightly(played.after_first, source, "after the first load")
    missing = sorted(source.keys() - {row[0] for row in played.after_first})
    if played.first.state == Session.STATE_COMPLETED:
        yield from _completed(played, missing)
    elif played.first.state == Session.STATE_FAILED:
        yield from _failed(played, missing)
    else:
        yield f"the first load is {Session.State.Name(played.first.state)}"
    if played.second.state != Session.STATE_COMPLETED:
        yield f"the second load failed: {played.second.error.message}"
    if list(played.after_second) != list(played.source):
        wrong = len(set(played.after_second) ^ set(played.source))
        yield f"after the second load the store differs from the source in {wrong} bars"


def _completed(played: Played, missing: list[datetime]) -> Iterator[str]:
    if "refusing" in played.case.effects:
        yield "the load completed although its bars were refused"
    if not LEAVE_OUT.intersection(played.case.faults):
        if missing:
            yield f"the load completed without {len(missing)} bars, first {missing[0]:%Y-%m-%d %H:%M}"
        return
    result = ib_pb2.DataLoadResult()
    played.first.result.Unpack(result)
    verdict = result.loads[0].verdict
    spans = [(span.start_time.ToDatetime(UTC), span.end_time.ToDatetime(UTC)) for span in verdict.missing]
    # Bars that may still be on their way count as unknown, and come with the next load.
    spans += played.unknown
    untold = [time for time in missing if not any(start <= time < end for start, end in spans)]
    if untold:
        yield f"{len(untold)} bars are missing and the verdict does not say so, first {untold[0]:%Y-%m-%d %H:%M}"


def _failed(played: Played, missing: list[datetime]) -> Iterator[str]:
    message = played.first.error.message
    reason = reason_of(played.first.error)
    if reason is None or reason_name(reason) == "INTERNAL":
        yield f"the load failed without a reason of the catalogue: {message}"
    untold = [time for time in missing if not any(start <= time < end for start, end in played.unknown)]
    if untold:
        yield f"{len(untold)} bars are missing and count as known, first {untold[0]:%Y-%m-%d %H:%M}"
    stored = {row[0] for row in played.after_first}
    named = [start for start, end in played.unknown if any(start <= time < end for time in missing)]
    unnamed = [start for start in named[:1] if f"{start:%Y-%m-%d}" not in message]
    if reason is not None and reason_name(reason) == "LOAD_INCOMPLETE" and unnamed and len(named) == 1:
        yield f"the message does not name the stretch from {unnamed[0]:%Y-%m-%d}: {message}"
    if not stored:
        yield "what was stored before the load is gone"


def _stored_rightly(rows: "list[Row] | object", source: dict[datetime, Row], when: str) -> Iterator[str]:
    assert isinstance(rows, list)
    times = [row[0] for row in rows]
    if times != sorted(set(times)):
        yield f"{when} bars are doubled or out of order"
    wrong = [row for row in rows if row[0] in source and source[row[0]] != row]
    if wrong:
        yield f"{when} {len(wrong)} bars differ from the source, first {wrong[0]} for {source[wrong[0][0]]}"
    more = [row for row in rows if row[0] not in source]
    if more:
        yield f"{when} {len(more)} bars are not in the source, first {more[0][0]:%Y-%m-%d %H:%M}"


def _may_not_fire(case: Case) -> bool:
    """Whether a load may be over before its fault comes, or send nothing that it could happen to."""
    (name,) = case.faults if len(case.faults) == 1 else ("",)
    short = name in BY_THE_CLOCK and case.mode == Mode.MODE_TAIL
    return not name or short or name == "silent_sometimes" or (name == "silent_head" and case.mode != Mode.MODE_FULL)
