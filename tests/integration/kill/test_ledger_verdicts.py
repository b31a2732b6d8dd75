"""What the kill tests rely on: a point that is lost, doubled, moved or changed is told."""

import math
from pathlib import Path

import pytest

from tests.support.kills.ledger import Ledger, LedgerWriter, entry
from tests.support.kills.plan import Plan, Row, rows_of
from tests.support.kills.readers import Points
from tests.support.kills.schedule import Case
from tests.support.kills.verdict import problems_of_points
from tests.support.kills.victim import Victim

ROWS = 40
WRITTEN = 32


@pytest.fixture
def victim(tmp_path: Path) -> Victim:
    plan = Plan(ledger=str(tmp_path), seed=3, rows=ROWS, burst=8)
    return Victim(Case("one", "time", "id", plan, 0.1, 0.1))


@pytest.fixture
def ledger(victim: Victim) -> Ledger:
    """The ledger of a worker that was killed in its last burst."""
    folder = Path(victim.case.plan.ledger)
    writer = LedgerWriter(folder, durable=True)
    writer.announce("".join(map(entry, rows_of(victim.case.plan))))
    writer.mark(WRITTEN)
    writer.close()
    return Ledger.read(folder)


def delivered(victim: Victim, count: int) -> Points:
    rows = list(rows_of(victim.case.plan))[:count]
    return {seq: {name: (row.step, value) for name, value in row.metrics.items()} for seq, row in enumerate(rows)}


@pytest.mark.parametrize("count", [WRITTEN, WRITTEN + 3, ROWS])
def test_any_end_between_what_was_written_and_what_was_begun_is_right(
    ledger: Ledger, victim: Victim, count: int
) -> None:
    assert not list(problems_of_points(ledger, victim, delivered(victim, count)))


def test_a_lost_row_at_the_end_is_told(ledger: Ledger, victim: Victim) -> None:
    (problem,) = problems_of_points(ledger, victim, delivered(victim, WRITTEN - 1))
    assert problem == "32 rows were certainly written, 31 were delivered"


def test_a_gap_is_told(ledger: Ledger, victim: Victim) -> None:
    points = delivered(victim, ROWS)
    del points[7]
    assert "rows [7] are lost before row 39" in list(problems_of_points(ledger, victim, points))


def test_an_invented_row_is_told(ledger: Ledger, victim: Victim) -> None:
    points = delivered(victim, ROWS)
    points[ROWS] = {"metric 0": (1, 0.0)}
    assert list(problems_of_points(ledger, victim, points)) == ["41 rows were delivered, 40 were begun"]


@pytest.mark.parametrize("change", ["value", "step", "name", "order"])
def test_a_changed_row_is_told(ledger: Ledger, victim: Victim, change: str) -> None:
    points = delivered(victim, ROWS)
    name, (step, value) = next(iter(points[9].items()))
    match change:
        case "value":
            points[9][name] = (step, math.nextafter(value, math.inf))
        case "step":
            points[9][name] = (step + 1, value)
        case "name":
            del points[9][name]
        case "order":
            points[9], points[10] = points[10], points[9]
    (problem,) = problems_of_points(ledger, victim, points)
    assert problem.startswith("row 9 is ")


def test_a_worker_that_ended_itself_tells_the_row_exactly(ledger: Ledger, victim: Victim) -> None:
    plan = Plan(ledger="", seed=3, rows=ROWS, burst=8, kill_at=35, kill_before=True)
    exact = Victim(Case("one", "row", "id", plan, 0.1, 0.1))
    killing = Ledger(ledger.lives, ledger.rows, ledger.written, ("killing",))
    assert not list(problems_of_points(killing, exact, delivered(victim, 35)))
    assert len(list(problems_of_points(killing, exact, delivered(victim, 36)))) == 1


def test_an_entry_that_the_kill_has_cut_announces_nothing(tmp_path: Path) -> None:
    writer = LedgerWriter(tmp_path, durable=False)
    writer.announce(entry(Row("epoch", 1, {"loss": 0.5})))
    writer.announce(entry(Row("epoch", 2, {"loss": 0.25}))[:-4])
    writer.close()
    assert Ledger.read(tmp_path).rows == [Row("epoch", 1, {"loss": 0.5})]
