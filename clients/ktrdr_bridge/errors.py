"""What a bridge can raise."""


class BridgeError(RuntimeError):
    """A bridge was used in a way that would damage or lose its journal."""


class BridgeClosed(BridgeError):
    """An event was reported after `close()`."""


class ForkedBridge(BridgeError):
    """A forked child used its parent's bridge: a journal has one writing process."""


class JournalInUse(BridgeError):
    """Another process writes this journal."""


class Cancelled(Exception):
    """The session was asked to stop; raised by `Bridge.raise_if_cancelled()`.

    Attributes:
        reason: Why, in the words of whoever asked; may be empty.
        stop: `"cancel"`, or `"checkpoint"` when the work is to be kept for a later resume.
    """

    def __init__(self, reason: str, stop: str = "cancel") -> None:
        super().__init__(reason or "the session was asked to stop")
        self.reason = reason
        self.stop = stop
