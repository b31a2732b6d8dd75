"""One process writes: forks are refused, second writers too, and importing costs nothing foreign."""

import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, ForkedBridge, JournalInUse, JournalReader


def in_forked_child(act: Callable[[], None]) -> int:
    """Run something in a forked child; return its exit code, 0 when nothing was raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("synchronized", [False, True])
def test_a_forked_child_is_refused_and_the_parent_goes_on(tmp_path: Path, synchronized: bool) -> None:
    path = tmp_path / "journal"
    bridge = Bridge.create(path, control=tmp_path / "control", segment_bytes=65_536, synchronized=synchronized)
    batches, epochs = [bridge.on_batch], [bridge.on_epoch]
    for number in range(1_000):
        bridge.on_batch(number, 10, {"a": number})
        bridge.on_epoch(number, {"a": number})
    batches.append(bridge.on_batch)
    epochs.append(bridge.on_epoch)
    before = path.read_bytes()

    def report() -> None:
        for on_batch in batches:
            with pytest.raises(ForkedBridge, match="give the child a bridge of its own"):
                on_batch(1, 10, {"a": 1})
        for on_epoch in epochs:
            with pytest.raises(ForkedBridge):
                on_epoch(1, {"a": 1})
        with pytest.raises(ForkedBridge):
            bridge.advance(1)
        with pytest.raises(ForkedBridge):
            bridge.set_phase("x")
        with pytest.raises(ForkedBridge):
            bridge.wait_reason("x")
        assert not bridge.cancelled
        bridge.close()
        bridge.close()
        with Bridge.create(tmp_path / "own") as own:
            own.on_epoch(1, {"a": 1})

    assert in_forked_child(report) == 0
    assert path.read_bytes().startswith(before)  # the parent itself may be preparing a further segment
    for number in range(1_000):
        bridge.on_batch(number, 10, {"a": number})
    bridge.close()
    reader = JournalReader(path)
    found = reader.read(max_points=10**6)
    reader.close()
    assert (found.next.seq, found.damage) == (3_000, "")


def test_a_second_writer_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path) as bridge:
        with pytest.raises(FileExistsError):
            Bridge.create(path)
        with pytest.raises(JournalInUse):
            Bridge.resume(path)

        def resume() -> None:
            with pytest.raises(JournalInUse):
                Bridge.resume(path)

        assert in_forked_child(resume) == 0
        bridge.on_epoch(1, {"a": 1})
    Bridge.resume(path).close()


def test_several_threads_may_report_to_a_synchronized_bridge(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Bridge.create(path, segment_bytes=65_536, synchronized=True) as bridge:

        def report(thread: int) -> None:
            for number in range(3_000):
                bridge.on_batch(number, 3_000, {f"thread {thread}": number, "all": thread})
                if number % 100 == 0:
                    bridge.on_epoch(number, {f"thread {thread}": number})
                    bridge.advance(number, step=str(thread))

        threads = [threading.Thread(target=report, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    reader = JournalReader(path)
    found = reader.read(max_points=10**6)
    reader.close()
    assert (found.next.seq, found.damage) == (4 * 3_030, "")
    by_name = {series.name: series for series in found.series}
    assert len(by_name["all"].seqs) == 12_000
    for number in range(4):
        assert len(by_name[f"thread {number}"].values) == 3_030


NAME_FOREIGN_MODULES = """
import sys
sys.path.insert(0, sys.argv[1])
import ktrdr_bridge
foreign = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(sorted(name for name in foreign if not name.startswith("__")))
"""


def test_the_library_needs_nothing_but_the_standard_library() -> None:
    clients = Path(sys.modules["ktrdr_bridge"].__file__ or "").parent.parent
    command = [sys.executable, "-I", "-S", "-c", NAME_FOREIGN_MODULES, str(clients)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['ktrdr_bridge']"
