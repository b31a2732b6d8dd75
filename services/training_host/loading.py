"""Load the libraries of a training, which is most of the time from its start to its first batch."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_UNUSED: Final = ("pandas", "polars")


def load_libraries() -> None:
    """Load everything that a training needs up to its first batch. No device is touched, and no random number drawn."""
    with _no_collections():
        with _absent(*_UNUSED):
            # It takes series of these libraries where they are installed, and loads them for that. Here it gets arrays.
            import talib  # noqa: F401, PLC0415 - it takes long: who imports this module need not want that
        import torch  # noqa: PLC0415 - as above

        import services.training_host.session_training  # noqa: F401, PLC0415 - as above

        # The first optimizer loads torch._dynamo, which takes about as long as torch itself.
        torch.optim.Adam([torch.zeros(1)])


@contextmanager
def _no_collections() -> Iterator[None]:
    """Collect no garbage within the block: nearly all that is made there stays, and is not looked at again after it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def _absent(*names: str) -> Iterator[None]:
    """Let libraries that are not loaded yet seem not to be installed within the block.

    None among the loaded modules is Python's own way to say so (see "The module cache" in its reference).
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # see above
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
