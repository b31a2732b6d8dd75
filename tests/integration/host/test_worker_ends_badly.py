"""However a worker ends, its session says why and what to do next."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.rpc import error_details_pb2
from ktrdr.host.v1.session_pb2 import CancelStage, Session, SessionOptions

from services.common.errors import error_info
from services.host.folder import SessionFolder
from services.host.host import Host
from services.host.records import ExitRecord
from tests.support.eventually import eventually
from tests.support.host_service import KIND, ProbeHostSettings, running_host
from tests.support.session_worker import worker_spec

MIB = 2**20


async def run(host: Host, end: str, *, options: SessionOptions | None = None, **spec: str | float) -> Session:
    await host.sessions.start(kind=KIND, spec=worker_spec(epochs=2, end=end, **spec), session_id="one", options=options)
    await eventually(lambda: host.sessions.find("one").settled)
    return host.sessions.get("one")


def reason(session: Session) -> str:
    info = error_info(session.error)
    return "" if info is None else info.reason


def log_of(session: Session) -> str:
    """Return the end of the log that came with the error."""
    debug = error_details_pb2.DebugInfo()
    for detail in session.error.details:
        if detail.Unpack(debug):
            return "\n".join(debug.stack_entries)
    return ""


@pytest.mark.parametrize("end", ["eat at once", "eat"])
async def test_a_worker_that_comes_to_its_memory_limit(settings: ProbeHostSettings, end: str) -> None:
    async with running_host(settings) as host:
        session = await run(host, end, options=SessionOptions(memory_limit_bytes=320 * MIB))
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "WORKER_OUT_OF_MEMORY")
    assert "MiB" in session.error.message
    assert "allow it more memory" in session.error.message
    assert session.options.memory_limit_bytes == 320 * MIB


@contextlib.contextmanager
def small_memory(limit_bytes: int) -> Iterator[Path]:
    """Make a control group with a limit of memory, and give the file that takes the processes to be in it."""
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    group = Path("/sys/fs/cgroup" if unified else "/sys/fs/cgroup/memory") / f"ktrdr-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("control groups cannot be made here")
    try:
        try:
            (group / ("memory.max" if unified else "memory.limit_in_bytes")).write_text(str(limit_bytes))
        except OSError:
            pytest.skip("memory cannot be limited here")
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


async def test_a_worker_that_the_kernel_ends_for_want_of_memory(settings: ProbeHostSettings) -> None:
    with small_memory(64 * MIB) as members:
        async with running_host(settings) as host:
            await host.sessions.start(kind=KIND, spec=worker_spec(epochs=1, end="eat", wait=1), session_id="one")
            await eventually(lambda: host.sessions.get("one").progress.step == "hungry")
            await eventually(lambda: host.sessions.get("one").worker_pid)
            members.write_text(str(host.sessions.get("one").worker_pid))
            (settings.folder / "sessions" / "one" / "eat").touch()
            await eventually(lambda: host.sessions.find("one").settled)
            session = host.sessions.get("one")
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "WORKER_OUT_OF_MEMORY")
    assert "for want of memory" in session.error.message


async def test_a_fault_in_native_code_leaves_the_python_stack(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        session = await run(host, "native fault")
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "WORKER_KILLED")
    assert "SIGSEGV" in session.error.message
    assert "the end of the log has the Python stack" in session.error.message
    assert "in read_nowhere" in log_of(session)


async def test_a_process_that_ends_without_a_word(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        session = await run(host, "vanish", code=7)
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "WORKER_EXITED")
    assert "exit code 7" in session.error.message


async def test_a_hang_in_native_code_is_ended_by_the_ladder(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        await host.sessions.start(kind=KIND, spec=worker_spec(end="native hang"), session_id="one")
        await eventually(lambda: host.sessions.get("one").progress.step == "staying")
        await host.sessions.cancel("one", reason="it hangs")
        await eventually(lambda: host.sessions.find("one").settled)
        session = host.sessions.get("one")
    record = ExitRecord.load(SessionFolder(settings.folder / "sessions" / "one").exit_record)
    assert record is not None
    assert record.signal == 9
    assert (session.state, session.cancel_stage) == (Session.STATE_CANCELLED, CancelStage.CANCEL_STAGE_KILLED)


async def test_a_file_that_cannot_be_written(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        session = await run(host, "too much")
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "STORAGE_FULL")
    assert "File too large" in session.error.message


async def test_a_worker_that_can_write_nothing_at_all_says_so_by_its_exit_code(settings: ProbeHostSettings) -> None:
    async with running_host(settings) as host:
        session = await run(host, "nothing")
    assert (session.state, reason(session)) == (Session.STATE_FAILED, "STORAGE_FULL")
    assert "Free space" in session.error.message


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "none", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize(
    ("result_bytes", "state", "expected"),
    [(1_000, Session.STATE_COMPLETED, ""), (100_000, Session.STATE_FAILED, "STORAGE_FULL")],
)
async def test_a_disk_that_is_full_at_the_end_hides_nothing(
    settings: ProbeHostSettings, small_disk: Path, result_bytes: int, state: "Session.State.ValueType", expected: str
) -> None:
    settings = settings.model_copy(update={"home": small_disk})
    async with running_host(settings) as host:
        spec = worker_spec(epochs=2, end="fill", result_bytes=result_bytes)
        await host.sessions.start(kind=KIND, spec=spec, session_id="one")
        folder = SessionFolder(settings.folder / "sessions" / "one")
        await eventually(folder.exit_record.exists)
        (folder.artifacts / "filler").unlink()
        await eventually(lambda: host.sessions.find("one").settled)
        session = host.sessions.get("one")
    assert (session.state, reason(session)) == (state, expected)
    if expected:
        assert str(small_disk) in session.error.message
        assert "Free space" in session.error.message
