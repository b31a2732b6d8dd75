"""A replay gateway that misbehaves on cue: the next requests of a kind meet faults, one each."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from services.ib_host.replay.errors import RequestRefused
from services.ib_host.replay.faults.answers import ErrorRule, SilentRule
from services.ib_host.replay.faults.closing import AbortRule
from services.ib_host.replay.faults.malformed import MalformedRule
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.server import ReplayServer
from services.ib_host.replay.settings import ReplaySettings

Action = Callable[[Inbound], FaultRule]
"""Makes the rule by which a message meets a fault."""


class FaultyGateway(ReplayServer):
    """The replay gateway, with faults that replace its next answers."""

    def __init__(self, *, port: int = 0, **settings: Any) -> None:
        super().__init__(ReplaySettings(port=port, **settings))
        self._planned: Counter[Inbound] = Counter()

    def on(self, message: Inbound, *actions: Action | None) -> None:
        """Replace the answers to the next requests of a kind, one action each; None answers as usual."""
        seen = len(self.requests(message))
        first = max(seen, self._planned[message])
        for place, action in enumerate(actions, first - seen + 1):
            if action is not None:
                self.faults.add(action(message).model_copy(update={"nth": place, "times": 1}))
        self._planned[message] = first + len(actions)

    def tell(self, code: int, text: str) -> None:
        """Send a notice to every client."""
        self.tell_all(RequestRefused(code, text))

    def requests(self, message: Inbound) -> list[tuple[str, ...]]:
        """Return the fields of all requests of a kind so far."""
        return [frame.fields for frame in self.journal.of(message)]


def error(code: int, text: str) -> Action:
    """Answer with an error."""
    return lambda message: ErrorRule(on=message, code=code, text=text)


def silence(message: Inbound) -> FaultRule:
    """Never answer."""
    return SilentRule(on=message)


def hang_up(message: Inbound) -> FaultRule:
    """Reset the connection instead of answering."""
    return AbortRule(on=message)


def garbage(message: Inbound) -> FaultRule:
    """Answer with a bar whose prices are no numbers."""
    return MalformedRule(on=message, damage="bad_number")
