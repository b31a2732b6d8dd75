"""A worker process that has loaded everything before there is a session for it.

Started by a spare's keeper as `python -m services.training_host.spare_worker FOLDER FD`. FOLDER is the host's, for
people who look at the list of processes; FD is the socket to the keeper.
"""

import gc
import sys
from collections.abc import Sequence

from services.host.spare.waiting import wait_for_session
from services.training_host import worker


def main(arguments: Sequence[str]) -> int:
    """Load everything, wait for a session, and train it as the worker that was started for it would.

    Returns:
        The exit code.
    """
    load()
    handover = wait_for_session(int(arguments[-1]))
    if handover is None:
        return 0
    _python, _m, _module, *words = handover.command
    return worker.main(words)


def load() -> None:
    """Load what a training needs up to its first batch. No device is touched, and no random number drawn."""
    import torch  # noqa: PLC0415 - it takes seconds: who imports this module need not want that

    import services.training_host.session_training  # noqa: F401, PLC0415 - as above

    # The first optimizer loads torch._dynamo, which takes as long as all the rest of torch.
    torch.optim.Adam([torch.zeros(1)])
    # What is there now stays to the end: collections need not look at it again and again.
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
