"""Loads ask a gateway that counts as fast as IB allows, and never faster: over a socket, on a clock that jumps."""

from services.ib_host.replay.pacing.engine import PacingRule
from services.ib_host.requests.failures import FailureKind
from tests.pacing_hour.__main__ import allowed_units
from tests.pacing_hour.simulation import simulate


async def test_eleven_minutes_without_a_violation_at_95_percent_of_what_ib_allows() -> None:
    found = await simulate(645.0)
    assert found.violations == {}
    assert 0.95 * allowed_units(found.seconds) <= found.units <= allowed_units(found.seconds)
    assert found.peaks[PacingRule.ALL] == 60
    assert 4 <= found.peaks[PacingRule.CONTRACT] <= 5
    assert found.peaks[PacingRule.IDENTICAL] == 1
    assert set(found.failures) == {FailureKind.NO_DATA}
    assert found.bars > 300
    assert found.answers_to_people > 50
    assert found.longest_wait_of_people < 0.2
