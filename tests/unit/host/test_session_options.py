import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.session_pb2 import SessionOptions

from services.common.errors import ServiceError, reason_name
from services.host.session_options import check_options
from services.host.start_request import StartRequest


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (SessionOptions(gpus=5_000), "options.gpus"),
        (SessionOptions(memory_limit_bytes=1), "options.memory_limit_bytes"),
        (SessionOptions(memory_limit_bytes=2**63), "options.memory_limit_bytes"),
        (SessionOptions(niceness=20), "options.niceness"),
        (SessionOptions(threads=2_000), "options.threads"),
        (SessionOptions(timeout=Duration()), "options.timeout"),
        (SessionOptions(timeout=Duration(seconds=-3)), "options.timeout"),
        (SessionOptions(timeout=Duration(seconds=2**62)), "options.timeout"),
        (SessionOptions(timeout=Duration(seconds=1, nanos=2_000_000_000)), "options.timeout"),
    ],
)
def test_a_wrong_option_is_named(options: SessionOptions, field: str) -> None:
    with pytest.raises(ServiceError) as refused:
        StartRequest("training", Struct(), options=options).check()
    assert reason_name(refused.value.reason) == "INVALID_REQUEST"
    assert [fault.field for fault in refused.value.fields] == [field]
    assert field in refused.value.message


def test_all_wrong_options_are_named_at_once() -> None:
    with pytest.raises(ServiceError) as refused:
        check_options(SessionOptions(niceness=99, threads=9_999))
    assert [fault.field for fault in refused.value.fields] == ["options.niceness", "options.threads"]


@pytest.mark.parametrize(
    "options",
    [
        SessionOptions(),
        SessionOptions(gpus=0),
        SessionOptions(gpus=8, memory_limit_bytes=2**26, niceness=19, threads=64, timeout=Duration(nanos=1)),
    ],
)
def test_right_options_pass(options: SessionOptions) -> None:
    StartRequest("training", Struct(), options=options).check()


def test_work_that_has_not_all_options_names_the_others() -> None:
    check_options(SessionOptions(timeout=Duration(seconds=1)), allowed={"timeout"}, work="a load")
    with pytest.raises(ServiceError) as refused:
        check_options(SessionOptions(gpus=0, niceness=99), allowed={"timeout"}, work="a load")
    assert [fault.field for fault in refused.value.fields] == ["options.gpus", "options.niceness"]
    assert "is not possible for a load" in refused.value.message


def test_options_are_part_of_what_a_repeated_start_is_compared_by() -> None:
    def digest(options: SessionOptions | None) -> str:
        return StartRequest("training", Struct(), options=options).body_sha256()

    assert digest(None) == digest(SessionOptions())
    assert len({digest(None), digest(SessionOptions(gpus=0)), digest(SessionOptions(gpus=1))}) == 3
