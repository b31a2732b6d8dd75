"""Tell what an operation has to work with, and how the process behind it stands."""

from typing import Final

from ktrdr.host.v1.session_pb2 import CancelStage, Session, SessionOptions
from ktrdr.operations.v1.operations_pb2 import Operation
from rich.text import Text

from ktrdr_client.cli.facts import fact
from ktrdr_client.cli.stop_words import stop_words
from ktrdr_client.sizes import size_text
from ktrdr_client.states import is_final
from ktrdr_client.times import duration_text

_LIVENESS: Final = {
    Session.WORKER_LIVENESS_ALIVE: "alive",
    Session.WORKER_LIVENESS_STALE: "nothing proves that it lives or has ended",
    Session.WORKER_LIVENESS_ENDED: "ended",
}


def worker_lines(operation: Operation) -> list[Text]:
    """Return the lines that tell of the worker: its process, its devices, its limits, and how far a stop has gone."""
    facts = {
        "worker": _process(operation),
        "stop": _stop(operation),
        "devices": " ".join(operation.devices),
        "options": option_words(operation.options),
        "time left": _time_left(operation),
        "thinned": _thinning(operation),
        "attached": _attached(operation),
    }
    return [fact(label, text) for label, text in facts.items() if text]


def option_words(options: SessionOptions) -> str:
    """Return what was asked for: "2 GPUs, 8 GiB memory, time limit 2 h 30 min"; "" where nothing was."""
    words = []
    if options.HasField("gpus"):
        words.append(f"{options.gpus} GPU{'' if options.gpus == 1 else 's'}" if options.gpus else "no GPU")
    if options.threads:
        words.append(f"{options.threads} thread{'' if options.threads == 1 else 's'}")
    if options.memory_limit_bytes:
        words.append(f"{size_text(options.memory_limit_bytes)} memory")
    if options.niceness:
        words.append(f"niceness {options.niceness}")
    if options.HasField("timeout"):
        words.append(f"time limit {duration_text(options.timeout.ToTimedelta())}")
    return ", ".join(words)


def _process(operation: Operation) -> str:
    liveness = _LIVENESS.get(operation.worker_liveness, "")
    if is_final(operation):
        return ""  # that it has ended is said already
    return ", ".join(part for part in (f"pid {operation.worker_pid}" if operation.worker_pid else "", liveness) if part)


def _stop(operation: Operation) -> str:
    if is_final(operation) and operation.cancel_stage == CancelStage.CANCEL_STAGE_ASKED:
        return ""  # it stopped by itself
    return stop_words(operation)


def _time_left(operation: Operation) -> str:
    return duration_text(operation.time_left.ToTimedelta()) if operation.HasField("time_left") else ""


def _thinning(operation: Operation) -> str:
    if not operation.HasField("thinning"):
        return ""
    thinning = operation.thinning
    rounds = "one round" if thinning.generation == 1 else f"{thinning.generation} rounds"
    left_out = f"{thinning.rows_left_out:,} rows left out in {rounds}"
    return f"{left_out}; complete from row {thinning.complete_from_seq:,} on"


def _attached(operation: Operation) -> str:
    return "opened by a process of its own; asked to stop, never signalled" if operation.attached else ""
