"""The system as processes, fresh for each test or shared by those that leave it as it is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import grpc
import pytest
from ktrdr.operations.v1 import operations_pb2_grpc

from tests.support.recorded_bars import write_recorded_bars
from tests.support.registry_calls import RegistryCalls
from tests.support.running_system import RunningSystem

StartSystem = Callable[..., RunningSystem]
Registry = Callable[[RunningSystem], AbstractContextManager[RegistryCalls]]


@pytest.fixture
def start_system(tmp_path: Path) -> Iterator[StartSystem]:
    """Start a system whose end the test decides; what still runs is stopped afterwards."""
    running: list[RunningSystem] = []

    def start(*, gateway_arguments: tuple[str, ...] = (), training_arguments: tuple[str, ...] = ()) -> RunningSystem:
        system = RunningSystem(
            tmp_path / "home", gateway_arguments=gateway_arguments, training_arguments=training_arguments
        )
        system.__enter__()
        running.append(system)
        return system

    yield start
    for system in running:
        system.__exit__(None, None, None)


@pytest.fixture(scope="module")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system for all tests of a module."""
    with RunningSystem(tmp_path_factory.mktemp("system") / "home") as system:
        yield system


@pytest.fixture(scope="session")
def aapl_bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """AAPL's recorded daily bars as a CSV file."""
    return write_recorded_bars("AAPL", tmp_path_factory.mktemp("bars") / "AAPL.csv")


@pytest.fixture
def registry() -> Registry:
    """Open calls to the operations service of a system."""

    @contextmanager
    def connect(system: RunningSystem) -> Iterator[RegistryCalls]:
        with grpc.insecure_channel(system.operations.address) as channel:
            yield RegistryCalls(operations_pb2_grpc.OperationsServiceStub(channel))

    return connect
