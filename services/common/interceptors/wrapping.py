"""One way to put code around handlers of all kinds: unary or streaming, and both styles of streaming.

A streaming handler may be an async generator, or a coroutine that calls `context.write`. Generators are turned into the
second style: when a stream is cancelled while it writes, the generator is then closed at once and in the task of the
call. Left to itself, grpc drops it, and its `finally` runs some time later in another task.
"""

import abc
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
# Generic in the stubs, not at run time.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behaviour = Callable[[Any, Context], Awaitable[Any]]
"""A handler as a coroutine function of request (or iterator of requests) and context."""
Continuation: TypeAlias = "Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]]"

KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


@dataclass(frozen=True)
class Call:
    """One call, as interceptors see it."""

    method: str
    """Full name: "/ktrdr.host.v1.HostService/GetStatus"."""
    streams: bool
    """The answer is a stream."""
    request: Any
    """The request; an iterator where the client streams. Still bytes outside of the error interceptor."""
    context: Context


class CallInterceptor(grpc.aio.ServerInterceptor, abc.ABC):
    """An interceptor that is an async context manager around each call."""

    @abc.abstractmethod
    def around(self, call: Call) -> AbstractAsyncContextManager[Context]:
        """Enclose a call. What is entered is the context that the handler gets."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "Handler | None":
        """Put `around` around the handler. A method that nobody serves stays UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        return enclosed(handler, handler_call_details.method, self.around)


def enclosed(handler: Handler, method: str, around: Callable[[Call], AbstractAsyncContextManager[Context]]) -> Handler:
    """Return the handler with `around` around each of its calls."""
    behaviour = as_coroutine(handler)
    streams = bool(handler.response_streaming)

    async def enclosing(request: Any, context: Context) -> Any:
        async with around(Call(method, streams, request, context)) as inner:
            return await behaviour(request, inner)

    return remade(handler, enclosing)


def as_coroutine(handler: Handler) -> Behaviour:
    """Return what the handler does as a coroutine function, whichever style it is written in."""
    behaviour: Callable[[Any, Context], Any] = getattr(handler, _kind(handler))
    if inspect.isasyncgenfunction(behaviour):
        return _written(behaviour)
    if inspect.iscoroutinefunction(behaviour):
        return behaviour
    return _refused(behaviour)


def remade(
    handler: Handler,
    behaviour: Behaviour,
    *,
    request_deserializer: Callable[[bytes], Any] | None = None,
    response_serializer: Callable[[Any], bytes] | None = None,
    keep_messages: bool = True,
) -> Handler:
    """Return a handler of the same kind that does something else, and by default reads and writes the same messages."""
    if keep_messages:
        request_deserializer, response_serializer = handler.request_deserializer, handler.response_serializer
    make = getattr(grpc, f"{_kind(handler)}_rpc_method_handler")
    made: Handler = make(behaviour, request_deserializer, response_serializer)
    return made


def _kind(handler: Handler) -> str:
    return next(kind for kind in KINDS if getattr(handler, kind) is not None)


def _written(generator: Callable[[Any, Context], AsyncIterator[Any]]) -> Behaviour:
    async def write(request: Any, context: Context) -> None:
        async with contextlib.aclosing(generator(request, context)) as responses:  # type: ignore[type-var]  # it is an async generator
            async for response in responses:
                await context.write(response)

    return write


def _refused(behaviour: Callable[[Any, Context], Any]) -> Behaviour:
    async def refuse(_request: Any, _context: Context) -> None:
        # grpc would run it in a thread of its own, outside of everything that is arranged here.
        message = f"{behaviour!r} is not async"
        raise TypeError(message)

    return refuse
