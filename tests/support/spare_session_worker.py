"""A spare that becomes a `session_worker`: `python -m tests.support.spare_session_worker FOLDER FD`."""

import sys
from pathlib import Path

from services.host.spare.waiting import wait_for_session
from tests.support import session_worker

if __name__ == "__main__":
    handover = wait_for_session(int(sys.argv[-1]))
    if handover is not None:
        sys.stderr.write("a spare begins\n")
        session_worker.main(Path(handover.command[handover.command.index("--session") + 1]))
