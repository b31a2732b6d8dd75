"""Statuses become exceptions, whatever they carry."""

import grpc
import pytest
from google.rpc import status_pb2
from ktrdr.host.v1.errors_pb2 import ErrorReason
from ktrdr_client.errors import DeadlineExceeded, Internal, KtrdrError, NotFound, Unavailable
from ktrdr_client.status_errors import error_from_call, error_from_status

from tests.support.simulated_operations import rich_status


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_has_an_exception(code: grpc.StatusCode) -> None:
    error = error_from_status(rich_status(code, "INTERNAL", "text"))
    assert isinstance(error, KtrdrError)
    assert (error.reason, error.message) == ("INTERNAL", "text")


def test_reasons_are_those_of_the_contract() -> None:
    name = ErrorReason.Name(ErrorReason.ERROR_REASON_WORKER_KILLED).removeprefix("ERROR_REASON_")
    error = error_from_status(rich_status(grpc.StatusCode.ABORTED, name, "killed", signal="SIGKILL"))
    assert error.metadata["signal"] == "SIGKILL"


def test_details_that_cannot_be_read_are_left_out() -> None:
    status = status_pb2.Status(code=5, message="gone")
    status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"")
    status.details.add(type_url="type.googleapis.com/unknown.Message", value=b"\xff\xff")
    error = error_from_status(status)
    assert isinstance(error, NotFound)
    assert error.reason == ""


def _call_error(code: grpc.StatusCode, details: str, *trailing: tuple[str, bytes]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable, "the thing at h:1 does not answer"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded, "did not answer in time"),
        (grpc.StatusCode.UNIMPLEMENTED, Internal, "is no thing"),
        (grpc.StatusCode.NOT_FOUND, NotFound, "plain text"),
    ],
)
def test_statuses_without_details_still_say_who(code: grpc.StatusCode, kind: type[KtrdrError], words: str) -> None:
    error = error_from_call(_call_error(code, "plain text"), service="thing", address="h:1")
    assert type(error) is kind
    assert words in error.message


def test_damaged_details_do_not_hide_the_status() -> None:
    broken = _call_error(grpc.StatusCode.NOT_FOUND, "gone", ("grpc-status-details-bin", b"\xff\xff\xff"))
    assert isinstance(error_from_call(broken, service="thing", address="h:1"), NotFound)
