"""What a worker has loaded before its session begins. In a process of its own: it is for good."""

import json
import os
import subprocess
import sys

CODE = """
import gc, importlib.util, json, sys
from services.training_host.loading import leave_out_unused_libraries, load_libraries
leave_out_unused_libraries()
load_libraries()
import numpy, pyarrow, torch
loaded = set(sys.modules)
optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))])
optimizer.zero_grad()
numbers = pyarrow.chunked_array([[1.0, 2.0]]).to_numpy()
table = pyarrow.table({"a": pyarrow.array(numpy.zeros(3))})
try:
    import pandas
except ModuleNotFoundError as error:
    refused = error.name
print(json.dumps({
    "pandas": [name for name in sys.modules if name.partition(".")[0] in ("pandas", "polars")],
    "refused": refused,
    "asked": importlib.util.find_spec("pandas") is not None,
    "later": [name for name in set(sys.modules) - loaded if name.startswith("torch")],
    "cuda": torch.cuda.is_initialized(),
    "random": torch.equal(
        torch.get_rng_state(), torch.Generator().manual_seed(torch.initial_seed()).get_state()
    ),
    "collections": [gc.isenabled(), gc.get_freeze_count() > 100_000],
    "numbers": [numbers.tolist(), table.num_rows],
}))
"""


def test_everything_is_loaded_but_what_is_not_needed() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(shown.stdout) == {
        "pandas": [],
        "refused": "pandas",
        "asked": True,
        "later": [],
        "cuda": False,
        "random": True,
        "collections": [True, True],
        "numbers": [[1.0, 2.0], 3],
    }
