"""A worker process that has loaded everything before there is a session for it.

Started by a spare's keeper as `python -m services.training_host.spare_worker FOLDER FD`. FOLDER is the host's, for
people who look at the list of processes; FD is the socket to the keeper.
"""

import sys
from collections.abc import Sequence

from services.host.spare.waiting import wait_for_session
from services.training_host import worker
from services.training_host.loading import leave_out_unused_libraries, load_libraries


def main(arguments: Sequence[str]) -> int:
    """Load everything, wait for a session, and train it as the worker that was started for it would.

    Returns:
        The exit code.
    """
    load_libraries()
    handover = wait_for_session(int(arguments[-1]))
    if handover is None:
        return 0
    _python, _m, _module, *words = handover.command
    return worker.main(words)


if __name__ == "__main__":
    leave_out_unused_libraries()
    sys.exit(main(sys.argv[1:]))
