"""Take up a training in a process of its own: `python -m tests.support.resumed_loop FOLDER`.

The folder has `state.safetensors` and `state.json`; the state of the end is put beside them, as `end.…`.
"""

import json
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

from services.training_host.loop.state import LoopState
from tests.support.training_loops import Recipe, RecordedProgress

RECIPE = Recipe(kind="gru", changes={"epochs": 3, "lr_scheduler": {"type": "cosine"}})


def write_state(folder: Path, name: str, state: LoopState) -> None:
    save_file(state.tensors, folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps(state.document, allow_nan=False))


def read_state(folder: Path, name: str) -> LoopState:
    return LoopState(load_file(folder / f"{name}.safetensors"), json.loads((folder / f"{name}.json").read_text()))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    loop, _ = RECIPE.loop(RecordedProgress())
    loop.restore(read_state(folder, "state"))
    loop.run()
    write_state(folder, "end", loop.state())
