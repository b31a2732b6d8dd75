"""The ways in which a worker can end badly, by name, for `session_worker`."""

import ctypes
import json
import os
import resource
import time
from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.struct_pb2 import Struct

from services.host.worker import WorkerSession

Spec = Mapping[str, object]
_PIECE: Final = 2**20


def eat_at_once(_session: WorkerSession, _spec: Spec) -> None:
    """Ask for more memory than there is."""
    bytearray(2**46)


def eat_bit_by_bit(session: WorkerSession, _spec: Spec) -> None:
    """Take memory until there is none; begins when the file `eat` appears where the spec has `wait`."""
    if _spec.get("wait"):
        session.bridge.advance(0, step="hungry")
        while not (session.folder / "eat").exists():
            time.sleep(0.01)
    eaten = []
    while True:
        eaten.append(bytearray(b"x" * _PIECE))


def read_nowhere(_session: WorkerSession, _spec: Spec) -> None:
    """Let native code read at address 0."""
    ctypes.string_at(0)


def vanish(_session: WorkerSession, spec: Spec) -> None:
    """End the process without any clean-up."""
    os._exit(int(str(spec.get("code", 7)).partition(".")[0]))


def count_natively(session: WorkerSession, _spec: Spec) -> None:
    """Stay for days in native code that holds the interpreter's lock: no Python code runs, no signal handler either."""
    session.bridge.advance(0, step="staying")
    sum(range(10**15))


def fill_the_disk(session: WorkerSession, spec: Spec) -> None:
    """Write until nothing more can be written, then complete with a result of `result_bytes`."""
    size = _PIECE
    with (session.artifacts / "filler").open("ab", buffering=0) as file:
        while size:
            try:
                file.write(b"x" * size)
            except OSError:
                size //= 2
    result = Struct()
    result.update({"text": "x" * int(str(spec.get("result_bytes", 10)).partition(".")[0])})
    session.complete(result)


def write_too_much(session: WorkerSession, _spec: Spec) -> None:
    """Write a file beyond what the system allows to this process."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (_PIECE, _PIECE))
    (session.artifacts / "model").write_bytes(b"x" * 2 * _PIECE)


def write_nothing(session: WorkerSession, _spec: Spec) -> None:
    """End when not even the smallest file can be written."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    session.complete(Struct())


def tell_surroundings(session: WorkerSession, _spec: Spec) -> None:
    """Complete with what the process was given to work with."""
    names = ["CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "MKL_NUM_THREADS"]
    told = {name: os.environ.get(name, "(unset)") for name in names}
    told["niceness"] = str(os.nice(0))
    told["data_limit"] = str(resource.getrlimit(resource.RLIMIT_DATA)[0])
    result = Struct()
    result.update({"text": json.dumps(told)})
    session.complete(result)


MISBEHAVIOUR: Final[Mapping[str, Callable[[WorkerSession, Spec], None]]] = {
    "eat at once": eat_at_once,
    "eat": eat_bit_by_bit,
    "native fault": read_nowhere,
    "vanish": vanish,
    "native hang": count_natively,
    "fill": fill_the_disk,
    "too much": write_too_much,
    "nothing": write_nothing,
    "tell": tell_surroundings,
}
"""What a spec's `end` may name."""
