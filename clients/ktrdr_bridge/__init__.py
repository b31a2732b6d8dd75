"""Record the progress and metrics of a running job in a local journal, and read such journals.

A loop writes::

    with Bridge.create(folder / "journal", control=folder / "control") as bridge:
        bridge.set_phase("train", total=60, unit="epochs")
        for epoch in range(1, 61):
            bridge.raise_if_cancelled()
            bridge.on_epoch(epoch, {"train_loss": 0.25, "val_loss": 0.31})

Any script or notebook opens a session of its own, which the host on this machine serves like one that it started::

    with open_session("my-run", total_epochs=60) as bridge:
        for epoch in range(1, 61):
            bridge.on_epoch(epoch, {"train_loss": 0.25})

Anybody on the same machine reads, at any time and as often as wanted, without the loop noticing::

    reader = JournalReader(folder / "journal")
    found = reader.read()              # everything so far
    found = reader.read(found.next)    # what came since

Standard library only.
"""

from ktrdr_bridge.alive import AliveLock, hold_alive_lock, is_alive
from ktrdr_bridge.bridge import Bridge
from ktrdr_bridge.control import StopRequest, read_control, request_stop
from ktrdr_bridge.errors import BridgeClosed, BridgeError, Cancelled, ForkedBridge, JournalInUse
from ktrdr_bridge.journal_read import ChangingWords, JournalRead, Position, Thinning
from ktrdr_bridge.points import NewRow, Series
from ktrdr_bridge.progress import ProgressSnapshot
from ktrdr_bridge.reader import JournalReader
from ktrdr_bridge.session import SessionExists, SessionNotRecorded, open_session
from ktrdr_bridge.session_bridge import SessionBridge

__all__ = [
    "open_session",
    "SessionBridge",
    "SessionExists",
    "SessionNotRecorded",
    "Bridge",
    "StopRequest",
    "request_stop",
    "read_control",
    "JournalReader",
    "JournalRead",
    "ChangingWords",
    "Position",
    "Thinning",
    "NewRow",
    "Series",
    "ProgressSnapshot",
    "AliveLock",
    "hold_alive_lock",
    "is_alive",
    "BridgeError",
    "BridgeClosed",
    "Cancelled",
    "ForkedBridge",
    "JournalInUse",
]
