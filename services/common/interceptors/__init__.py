"""What happens around every call of every server, one concern a file."""

import grpc

from services.common.interceptors.access_log import AccessLogInterceptor
from services.common.interceptors.deadline import DeadlineInterceptor
from services.common.interceptors.errors import ErrorInterceptor
from services.common.interceptors.open_calls import OpenCalls
from services.common.interceptors.request_id import RequestIdInterceptor
from services.common.interceptors.subject import SubjectInterceptor


def server_interceptors(*, call_limit_seconds: float, open_calls: OpenCalls) -> list[grpc.aio.ServerInterceptor]:
    """Return the interceptors of a server, outermost first.

    Errors are mapped inside of everything that looks at how a call ended; what needs the
    decoded request is further in.
    """
    return [
        open_calls,
        RequestIdInterceptor(),
        AccessLogInterceptor(),
        DeadlineInterceptor(call_limit_seconds),
        ErrorInterceptor(),
        SubjectInterceptor(),
    ]
