"""A worker whose spec says what it does: `python -m tests.support.session_worker --session FOLDER`.

The spec is a google.protobuf.Struct:

- `epochs`: rows with a loss and an accuracy to write (default 3), `batches`: rows before each of them (default 0);
- `hold`: after this many epochs wait until the file `go` appears in the session's folder;
- `end`: "complete", "exit" (with `code`), "segfault", "fail", "crash", "wait" (until cancelled), "sleep" (as if it
  never looked at its bridge), "hang" (ignoring SIGTERM, too), "spawn" (start a child that hangs, then wait), "damage"
  (leave a journal of another layout), and how `misbehaviour` has it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from ktrdr.host.v1.errors_pb2 import ErrorReason

from services.common.errors import FieldViolation, ServiceError
from services.host.worker import WorkerSession
from tests.support.misbehaviour import MISBEHAVIOUR

PAUSE_SECONDS: Final = 0.01


def worker_spec(**fields: str | float) -> Struct:
    """Return a spec for this worker."""
    spec = Struct()
    spec.update(fields)
    return spec


def main(folder: Path) -> None:
    with WorkerSession.open(folder) as session:
        spec = json_format.Parse(session.spec_json, Struct())
        do = dict(spec.items())
        write_epochs(session, do)
        end(session, do)


def write_epochs(session: WorkerSession, do: Mapping[str, object]) -> None:
    epochs, batches = number(do, "epochs", 3), number(do, "batches", 0)
    session.bridge.set_phase("train", total=epochs, unit="epochs")
    for epoch in range(1, epochs + 1):
        for batch in range(1, batches + 1):
            session.bridge.on_batch(batch, batches, {"batch_loss": 1.0 / batch})
        session.bridge.on_epoch(epoch, {"train_loss": 1.0 / epoch, "train_accuracy": 1.0 - 1.0 / epoch})
        if epoch == number(do, "hold", 0):
            while not (session.folder / "go").exists():
                session.bridge.raise_if_cancelled()
                time.sleep(PAUSE_SECONDS)


def end(session: WorkerSession, do: Mapping[str, object]) -> None:
    how = do.get("end", "complete")
    sys.stdout.write(f"worker ends: {how}\n")
    sys.stdout.flush()
    if how == "complete":
        session.complete(worker_spec(epochs=number(do, "epochs", 3)))
    elif how == "exit":
        sys.exit(number(do, "code", 3))
    elif how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "fail":
        fields = [FieldViolation("spec.epochs", "too few")]
        raise ServiceError(ErrorReason.ERROR_REASON_TOO_FEW_BARS, fields=fields, available=3, needed=200)
    elif how == "crash":
        message = "a secret of the worker's own"
        raise ValueError(message)
    elif how == "damage":
        journal = session.folder / "journal"
        other = journal.with_name("journal.other")
        other.write_bytes(journal.read_bytes()[:8] + (99).to_bytes(4, "little") + bytes(100_000))
        other.replace(journal)
        session.complete(worker_spec())
    elif how in MISBEHAVIOUR:
        MISBEHAVIOUR[str(how)](session, do)
    else:
        stay(session, str(how))


def stay(session: WorkerSession, how: str) -> None:
    if how == "spawn":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (session.folder / "child.pid").write_text(str(child.pid))
    if how == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    session.bridge.advance(0, step="staying")
    while True:
        if how in {"wait", "spawn"}:
            if session.bridge.cancelled:
                request = session.bridge.stop_request
                session.partial_result(worker_spec(partial=1, stop="" if request is None else request.stop))
            session.bridge.raise_if_cancelled()
        time.sleep(PAUSE_SECONDS)


def number(do: Mapping[str, object], name: str, default: int) -> int:
    value = do.get(name, default)
    assert isinstance(value, int | float)
    return int(value)


if __name__ == "__main__":
    main(Path(sys.argv[sys.argv.index("--session") + 1]))
