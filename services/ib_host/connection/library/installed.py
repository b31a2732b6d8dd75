"""Which client library is installed, and how it is imported."""

import asyncio
import importlib
import importlib.util
import logging
import warnings
from collections.abc import Sequence
from typing import Any, Final

_LIBRARIES: Final = {"ib_insync": ("ktrdr[ib]", "eventkit"), "ib_async": ("ktrdr[ib-async]", "aeventkit")}
"""By the name of the library: the extra that installs it, and what it builds on. Both of these own the folder
`eventkit`, where the one that was installed last overwrites the other."""
_CHOOSE: Final = "install one: pip install 'ktrdr[ib]' (ib_insync, the usual choice) or pip install 'ktrdr[ib-async]'"


class LibraryProblem(ImportError):
    """The client library of the gateway can't be used; the message says what to do."""


def choose(installed: Sequence[str]) -> str:
    """Return the library to use.

    Args:
        installed: which of the two are there.

    Raises:
        LibraryProblem: neither is, or both are.
    """
    if not installed:
        message = f"Neither ib_insync nor ib_async is installed; {_CHOOSE}"
        raise LibraryProblem(message, name="ib_insync")
    if len(installed) > 1:
        message = (
            "Both ib_insync and ib_async are installed, and each overwrites parts of what the other needs. Remove "
            "both: pip uninstall ib_insync ib_async eventkit aeventkit. Then " + _CHOOSE
        )
        raise LibraryProblem(message, name="ib_insync")
    return installed[0]


def import_library(name: str) -> Any:
    """Import a library as a server needs it: without warnings, without its log, and with an event loop to ask for.

    ib_insync asks for the event loop when it is imported. Without a running one that is deprecated from Python 3.12
    on (a warning, and so an error in tests), from 3.14 on an error, and before that it leaves a loop open for nobody.
    So it gets a loop that is closed again: only its thread-safe emit keeps it, and nobody calls that. The library's
    log repeats what its events tell, at the level of errors where there are none, so it is not shown.

    Raises:
        LibraryProblem: it is damaged, as it is when the other one was uninstalled beside it.
    """
    logger = logging.getLogger(name)
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    with warnings.catch_warnings():
        # Of the library's own code: deprecated calls, and escapes that Python 3.12 and newer complain of.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        try:
            return _import_with_loop(name)
        except (ImportError, AttributeError) as error:
            extra, base = _LIBRARIES[name]
            message = (
                f"{name} is installed but can't be imported: {error}. Install it anew: pip install --force-reinstall "
                f"{base} {name}, or in a fresh environment: pip install '{extra}'"
            )
            raise LibraryProblem(message, name=name) from error


def library_name() -> str:
    """Return the library in use with its version, such as "ib_insync 0.9.86"."""
    return f"{LIBRARY.__name__} {LIBRARY.__version__}"


def _import_with_loop(name: str) -> Any:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return importlib.import_module(name)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    asyncio.set_event_loop(loop)  # a loop that a factory made is not the policy's, which the library asks
    return importlib.import_module(name)


LIBRARY: Final[Any] = import_library(choose([name for name in _LIBRARIES if importlib.util.find_spec(name)]))
IS_IB_ASYNC: Final = LIBRARY.__name__ == "ib_async"
