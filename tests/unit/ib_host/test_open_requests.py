"""What becomes of requests when news comes that is, or is not, about them."""

import pytest

from services.ib_host.requests.failures import FailureKind, GatewayFailure
from services.ib_host.requests.open_requests import OpenRequests

VIOLATION = "Historical Market Data Service error message:Historical data request pacing violation"
TOO_FAST = "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"


async def test_a_violation_of_a_request_that_was_given_up_a_moment_ago_explains_no_other_silence() -> None:
    violations: list[str] = []
    requests = OpenRequests(lambda: violations.append("told"))
    for request_id in (5, 6):
        requests.add(request_id)
    requests.remove(5)
    requests.told(5, 162, VIOLATION)
    assert violations == ["told"]
    assert not requests.may_be_swallowed(6)


async def test_a_violation_of_no_request_in_particular_may_have_swallowed_any_that_is_open() -> None:
    violations: list[str] = []
    requests = OpenRequests(lambda: violations.append("told"))
    requests.add(6)
    requests.told(-1, 100, TOO_FAST)
    requests.add(7)
    assert violations == ["told"]
    assert (requests.may_be_swallowed(6), requests.may_be_swallowed(7)) == (True, False)


async def test_a_violation_of_an_open_request_is_its_own() -> None:
    violations: list[str] = []
    requests = OpenRequests(lambda: violations.append("told"))
    mine, other = requests.add(5), requests.add(6)
    requests.told(5, 162, VIOLATION)
    with pytest.raises(GatewayFailure) as failed:
        mine.result()
    assert failed.value.kind is FailureKind.PACING
    assert not violations
    assert not other.done()
    assert not requests.may_be_swallowed(6)
