"""Logging: structlog, an event name and fields on each line, on stderr. JSON where nobody watches a terminal."""

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger


def configure_logging(*, level: str, form: Literal["auto", "json", "console"], service: str, name: str = "") -> None:
    """Set up the process's logging, that of libraries included.

    Args:
        level: Least level: debug, info, warning or error.
        form: How lines look; auto is console on a terminal and json otherwise.
        service: Bound to each line as "service".
        name: The server's configured name, bound as "name" where there is one.
    """
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    origin = {"service": service} | ({"name": name} if name else {})

    def add_origin(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, **origin}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_origin,
    ]
    # Plain: the default shows local variables, which are whole strategies and registries, and may be secrets.
    traceback = structlog.dev.plain_traceback
    rendering: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=traceback)]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # A log that can't be written (the terminal is gone) must not turn into errors of the calls that log.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
