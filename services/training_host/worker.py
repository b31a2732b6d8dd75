"""The worker process: trains one session, and ends.

Started by the host's keeper as `python -m services.training_host.worker --session FOLDER …`. It writes to the session's
folder only; nothing waits for it, and it waits for nobody.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.host.session_log.handler import DEFAULT_LOG_BYTES
from services.host.worker import DEFAULT_JOURNAL_BYTES, WorkerSession
from services.training_host.loading import leave_out_unused_libraries, load_libraries


def main(arguments: Sequence[str]) -> int:
    """Train the session that the arguments name.

    Returns:
        The exit code; how the training ended is in the session's folder.
    """
    parser = argparse.ArgumentParser(prog="services.training_host.worker", description="Train one session.")
    parser.add_argument("--session", type=Path, required=True, help="folder of the session")
    parser.add_argument("--ib-host", required=True, help="IB host that bars come from, HOST:PORT")
    parser.add_argument("--bar-cache", type=Path, help="folder of bars that were read before")
    parser.add_argument("--bar-cache-mb", type=int, default=0, help="bound of that folder; 0 for no cache")
    parser.add_argument("--threads", type=int, default=1, help="threads inside one operation of the network")
    parser.add_argument("--log-bytes", type=int, default=DEFAULT_LOG_BYTES, help="size at which the log is rotated")
    parser.add_argument("--journal-bytes", type=int, default=DEFAULT_JOURNAL_BYTES, help="bound of the journal")
    options = parser.parse_args(arguments)
    with WorkerSession.open(
        options.session, log_bytes=options.log_bytes, journal_bytes=options.journal_bytes
    ) as session:
        session.bridge.set_phase("bars")
        session.bridge.advance(0, step="loading libraries")
        # They take seconds to load. The session is open by then: it shows as alive, and can be cancelled.
        load_libraries()
        from services.training_host.bars.cache import BarCache  # noqa: PLC0415  # loaded above
        from services.training_host.session_training import train_session  # noqa: PLC0415  # likewise

        cache = BarCache(options.bar_cache, options.bar_cache_mb * 10**6) if options.bar_cache else None
        train_session(session, ib_host=options.ib_host, threads=options.threads, cache=cache)
    return 0


if __name__ == "__main__":
    leave_out_unused_libraries()
    sys.exit(main(sys.argv[1:]))
