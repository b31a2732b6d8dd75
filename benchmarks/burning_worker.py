"""A worker whose loop never leaves the interpreter: pure Python that holds its lock, and a journal row now and then."""

import sys
import time
from pathlib import Path

from ktrdr.training.v1 import training_pb2

from services.host.worker import WorkerSession

ROW_SECONDS = 0.01


def main(folder: Path) -> None:
    """Burn one core until the session is cancelled."""
    with WorkerSession.open(folder) as session:
        bridge = session.bridge
        bridge.set_phase("train", total=1_000_000, unit="epochs")
        epoch, due, value = 0, time.monotonic(), 0.0
        while True:
            for number in range(2_000):
                value = (value * 31 + number) % 1_000_003
            bridge.raise_if_cancelled()
            if time.monotonic() >= due:
                epoch, due = epoch + 1, time.monotonic() + ROW_SECONDS
                bridge.on_epoch(epoch, {"train_loss": value, "val_loss": value})
            if epoch >= 1_000_000:
                break
        session.complete(training_pb2.TrainingResult(epochs=epoch))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
