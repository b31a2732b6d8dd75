"""Which client id the host connects with."""

from services.ib_host.connection.client_ids import ClientIds
from tests.support.fake_clock import FakeClock


def test_the_next_one_is_tried_and_the_first_again_after_a_while() -> None:
    clock = FakeClock()
    ids = ClientIds(17, clock)
    assert list(ids.candidates()) == [17, 18, 19, 20, 21, 22, 23, 24]
    ids.refused(17)
    assert ids.candidates()[0] == 18
    clock.advance(44.0)
    assert ids.candidates()[0] == 18
    clock.advance(1.0)
    assert ids.candidates()[0] == 17


def test_when_all_were_refused_the_one_refused_first_is_tried() -> None:
    clock = FakeClock()
    ids = ClientIds(17, clock)
    for client_id in (18, 17, 19, 20, 21, 22, 23, 24):
        ids.refused(client_id)
        clock.advance(1.0)
    assert list(ids.candidates()) == [18]


def test_one_that_was_given_is_taken_again_at_once() -> None:
    ids = ClientIds(17, FakeClock())
    ids.refused(17)
    ids.taken(17)
    assert (ids.first, ids.candidates()[0], ids.last) == (17, 17, 24)
