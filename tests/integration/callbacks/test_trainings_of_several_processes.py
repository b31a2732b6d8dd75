"""Both callbacks in trainings of two processes: one session, and all processes stop together."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ktrdr_bridge import request_stop

from tests.support.eventually import eventually_sync
from tests.support.recorded_session import recorded_sessions

LIGHTNING = """
import os, pathlib, sys, time, torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset
from ktrdr_bridge.integrations.lightning import KtrdrCallback

torch.set_num_threads(1)

class Model(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, index):
        time.sleep(0.02)
        return torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

trainer = Trainer(
    max_epochs=10_000, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_checkpointing=False,
    enable_progress_bar=False, enable_model_summary=False,
    callbacks=[KtrdrCallback("two", home=sys.argv[1], every_n_batches=2)],
)
trainer.fit(Model(), DataLoader(TensorDataset(torch.randn(64, 4), torch.randn(64, 1)), batch_size=8))
pathlib.Path(sys.argv[1], f"stopped-{os.getpid()}").write_text(str(trainer.global_step))
"""
TRANSFORMERS = """
import os, pathlib, sys, time, torch
from transformers import Trainer, TrainingArguments
from ktrdr_bridge.integrations.transformers import KtrdrCallback

torch.set_num_threads(1)

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def forward(self, x, labels):
        time.sleep(0.02)
        return {"loss": torch.nn.functional.mse_loss(self.layer(x), labels)}

arguments = TrainingArguments(
    output_dir=sys.argv[1], num_train_epochs=10_000, per_device_train_batch_size=8, logging_steps=2,
    save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True,
)
data = [{"x": torch.randn(4), "labels": torch.randn(1)} for _ in range(64)]
trainer = Trainer(Model(), arguments, train_dataset=data, callbacks=[KtrdrCallback("two", home=sys.argv[1])])
trainer.train()
pathlib.Path(sys.argv[1], f"stopped-{os.getpid()}").write_text(str(trainer.state.global_step))
"""


@pytest.mark.timeout(600)  # each imports torch in two or three processes
@pytest.mark.parametrize(
    ("script", "launcher"),
    [
        pytest.param(LIGHTNING, [], id="lightning"),
        pytest.param(
            TRANSFORMERS, ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"], id="transformers"
        ),
    ],
)
def test_one_session_and_one_end(script: str, launcher: list[str], tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text(script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, *launcher, str(file), str(tmp_path)], stdout=subprocess.DEVNULL, env=environment
    ) as training:
        try:
            eventually_sync(
                lambda: training.poll() is not None or any(each.points for each in recorded_sessions(tmp_path)),
                timeout_seconds=200,
            )
            for session in recorded_sessions(tmp_path):
                request_stop(session.folder / "control", reason="enough")
            training.wait(timeout=200)
        finally:
            training.kill()
    (session,) = recorded_sessions(tmp_path)
    assert session.result["outcome"] == "cancelled"
    stops = [file.read_text() for file in tmp_path.glob("stopped-*")]
    assert len(stops) == 2
    assert len(set(stops)) == 1  # both at the same step
