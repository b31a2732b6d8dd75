"""One client cannot use up the watches of all."""

import pytest

from services.common.errors import ServiceError
from services.common.watches import WatchLimit


def test_each_client_has_a_limit_of_its_own_below_that_of_all() -> None:
    limit = WatchLimit(3, for_each_client=2)
    with limit.hold("a"), limit.hold("a"):
        with pytest.raises(ServiceError, match="This connection has 2"), limit.hold("a"):
            pytest.fail("a third watch of one client is open")
        with limit.hold("b"), pytest.raises(ServiceError, match="limit 3"), limit.hold("c"):
            pytest.fail("a fourth watch is open")
        assert limit.open == 2
    with limit.hold("a"), limit.hold("a"):
        assert limit.open == 2
    assert limit.open == 0


def test_watches_of_nobody_in_particular_count_for_all_only() -> None:
    limit = WatchLimit(3, for_each_client=1)
    with limit.hold(), limit.hold(), limit.hold():
        assert limit.open == 3
