"""Same seed, same data, same machine: the same weights, bit for bit."""

import torch


def make_deterministic(seed: int, *, threads: int) -> None:
    """Seed torch's own generators (dropout draws from them) and allow deterministic algorithms only.

    On CUDA this needs `CUBLAS_WORKSPACE_CONFIG=:4096:8` in the environment of the process, from its start.

    Args:
        seed: Of all random numbers.
        threads: Threads inside one operation; sums depend on how they are cut up.
    """
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.set_num_threads(threads)
