import pytest

from services.host.allotment import Allotment


@pytest.mark.parametrize(
    ("allotment", "fits"),
    [
        (Allotment(), True),
        (Allotment(devices=("cuda:0",)), True),
        (Allotment(memory_limit_bytes=2**30), False),
        (Allotment(niceness=1), False),
        (Allotment(threads=1), False),
    ],
)
def test_what_can_be_given_to_a_process_that_runs(allotment: Allotment, *, fits: bool) -> None:
    assert allotment.fits_a_running_process == fits
