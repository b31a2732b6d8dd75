"""Load the libraries of a training, which is most of the time from its start to its first batch."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_UNUSED: Final = ("pandas", "polars")
"""Libraries that TA-Lib and Arrow load, where they are installed, only to take and give their kinds of columns, too."""


class _Refusing(Loader):
    """Loads nothing."""

    def create_module(self, _: ModuleSpec) -> None:
        """Leave the making of the module to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Say what is said of a library that is not installed."""
        message = f"No module named {module.__name__!r}"
        raise ModuleNotFoundError(message, name=module.__name__)


class _Unused(MetaPathFinder):
    """Finds some libraries, so that who only asks for them gets an answer, and lets nobody load them.

    None among the loaded modules, Python's own way to say that there is none, would not do: compiled code takes it for
    the module.
    """

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Return a spec for these libraries, and leave all others to the next finder."""
        return ModuleSpec(fullname, _Refusing()) if fullname in _UNUSED else None


def leave_out_unused_libraries() -> None:
    """Let libraries that are of no use to a training seem not to be installed, in this process and for good."""
    sys.meta_path.insert(0, _Unused())


def load_libraries() -> None:
    """Load everything that a training needs up to its first batch. No device is touched, and no random number drawn."""
    with _no_collections():
        import torch  # noqa: PLC0415 - it takes long: who imports this module need not want that

        import services.training_host.session_training  # noqa: F401, PLC0415 - as above

        # The first optimizer loads torch._dynamo, which takes about as long as torch itself; its first use, some more.
        torch.optim.Adam([torch.zeros(1)]).zero_grad()


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
