"""Name the files of a session's folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SessionFolder:
    """Where one session keeps its files. Every process that touches the session finds them by these names.

    Attributes:
        path: The folder; its name is the session's id.
    """

    path: Path

    @property
    def id(self) -> str:
        """The session's id."""
        return self.path.name

    @property
    def session_record(self) -> Path:
        """What was accepted: written once, with the folder."""
        return self.path / "session.json"

    @property
    def spec(self) -> Path:
        """What was asked, as protobuf JSON: what the worker reads."""
        return self.path / "spec.json"

    @property
    def start_record(self) -> Path:
        """That the session left the queue: written before anything is started."""
        return self.path / "started.json"

    @property
    def journal(self) -> Path:
        """Progress and metrics, written by the worker alone."""
        return self.path / "journal"

    @property
    def control(self) -> Path:
        """The request to stop, written by the host and looked at by the worker."""
        return self.path / "control"

    @property
    def interruption_record(self) -> Path:
        """That the worker did not stop by itself: written by the host when it has interrupted it."""
        return self.path / "interrupted.json"

    @property
    def inputs_record(self) -> Path:
        """The datasets that the session reads: written by the worker as soon as it knows them."""
        return self.path / "inputs.json"

    @property
    def keeper_lock(self) -> Path:
        """Locked for as long as the keeper lives, from before it was started."""
        return self.path / "keeper.lock"

    @property
    def alive_lock(self) -> Path:
        """Locked by the worker for as long as it lives."""
        return self.path / "alive.lock"

    @property
    def worker_record(self) -> Path:
        """Which processes work on the session: written by the keeper."""
        return self.path / "worker.json"

    @property
    def structured_log(self) -> Path:
        """What the worker logged, and what its Python code printed, as lines of JSON. The lines before: ".1"."""
        return self.path / "log.jsonl"

    @property
    def log(self) -> Path:
        """What the worker's native code, the interpreter and the keeper printed. The output before: ".1"."""
        return self.path / "worker.log"

    @property
    def exit_record(self) -> Path:
        """How the worker's process ended: written by the keeper."""
        return self.path / "exit.json"

    @property
    def result_record(self) -> Path:
        """How the work ended: written by the worker, last thing."""
        return self.path / "result.json"

    @property
    def result_reserve(self) -> Path:
        """Space for the result, in case that the disk is full by then."""
        return self.path / "result.reserve"

    @property
    def settled_record(self) -> Path:
        """The final state: written by the host."""
        return self.path / "settled.json"

    @property
    def checkpoints(self) -> Path:
        """States of the work that another session can go on from."""
        return self.path / "checkpoints"

    @property
    def artifacts(self) -> Path:
        """Files that the work produces."""
        return self.path / "artifacts"
