"""A model is rebuilt, from bars to answers, by a program that knows nothing of this one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray

from services.training_host.artifacts.model import write_model
from services.training_host.bars.series import COLUMNS
from tests.support.small_models import GRU, LSTM, REGRESSION, SMALL_TEXT, Small, small

EXAMPLE = Path(__file__).parents[3] / "examples" / "reload_model.py"
PROGRAM = """
import json, sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import load_file
sys.path.insert(0, sys.argv.pop(1))
import reload_model

for out in map(Path, sys.argv[1:]):
    folder = out / "model"
    features = json.loads((folder / "features.json").read_text())
    network = json.loads((folder / "network.json").read_text())
    together = []
    for symbol in features["symbols"]:
        bars = {name: dict(np.load(out / f"{symbol}_{name}.npz")) for name in features["timeframes"]}
        times, answers = reload_model.predict(folder, bars)
        wanted = np.load(out / f"{symbol}_wanted.npy")
        chosen = np.isin(times, wanted)
        assert chosen.sum() == len(wanted)
        np.save(out / f"{symbol}_alone.npy", answers[chosen])
        together.append(reload_model.windows(features, bars)[1][chosen])
    with torch.inference_mode():
        windows = torch.from_numpy(np.concatenate(together))
        answers = reload_model.answer(network, load_file(folder / "model.safetensors"), windows)
    np.save(out / "together.npy", answers.numpy())
ours = [name for name in sys.modules if name.split(".")[0] in ("services", "ktrdr", "ktrdr_client", "ktrdr_bridge")]
assert not ours, ours
"""


def written(made: Small, folder: Path) -> NDArray[np.float32]:
    """Write a model and its bars, and return what its predictions say, symbol after symbol."""
    write_model(
        folder / "model",
        strategy=made.strategy,
        strategy_text=SMALL_TEXT,
        loaded=made.loaded,
        dataset=made.dataset,
        outcomes=made.outcomes(),
        model=made.network(),
        facts={},
    )
    for (symbol, timeframe), bars in made.loaded.series.items():
        columns = {name: getattr(bars, name) for name in COLUMNS}
        np.savez(folder / f"{symbol}_{timeframe}.npz", time=bars.times, **columns)
    table = pyarrow.parquet.read_table(folder / "model" / "predictions.parquet").to_pandas()
    table = table.sort_values(["symbol", "time"])
    for symbol in made.strategy.symbols:
        np.save(folder / f"{symbol}_wanted.npy", table.loc[table["symbol"] == symbol, "time"].astype("int64"))
    answers = [name for name in table.columns if name.startswith("probability_")] or ["prediction"]
    told: NDArray[np.float32] = table[answers].to_numpy()
    return told


def test_bars_and_the_folder_are_enough_for_the_same_answers(tmp_path: Path) -> None:
    models = {"mlp": small(), "gru": small(GRU), "lstm": small(LSTM), "regression": small(REGRESSION)}
    expected = {name: written(made, tmp_path / name) for name, made in models.items()}
    command = [sys.executable, "-I", "-W", "error", "-c", PROGRAM, str(EXAMPLE.parent)]
    ended = subprocess.run(
        [*command, *(str(tmp_path / name) for name in models)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    for name, made in models.items():
        # Bit for bit where the same are asked together, and to the rounding of float32 where they are not.
        np.testing.assert_array_equal(np.load(tmp_path / name / "together.npy"), expected[name])
        alone = [np.load(tmp_path / name / f"{symbol}_alone.npy") for symbol in made.strategy.symbols]
        np.testing.assert_allclose(np.concatenate(alone), expected[name], rtol=1e-5)
