"""What a process takes: processor time by thread, memory, and what its event loop is busy with."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

_EVERY_SECONDS: Final = 0.002
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ROOT: Final = str(Path(__file__).resolve().parents[1]) + os.sep


class LoopProfile:
    """Looks, every few milliseconds of processor time, at what the main thread is doing.

    Only while it was started, as looking costs a little too.
    """

    def __init__(self) -> None:
        self._own: Counter[str] = Counter()
        self._within: Counter[str] = Counter()
        self._looks = 0

    def start(self) -> None:
        """Begin to look."""
        signal.signal(signal.SIGPROF, self._look)
        # asyncio is told of each signal through a socket, which is full while the loop is held up.
        signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)
        signal.setitimer(signal.ITIMER_PROF, _EVERY_SECONDS, _EVERY_SECONDS)

    def take(self) -> dict[str, dict[str, float]]:
        """Stop, and return the shares: of each function by itself, and of our functions with all that they call."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        looks = max(self._looks, 1)
        shares = {
            name: {where: count / looks for where, count in counted.most_common(45)}
            for name, counted in (("own", self._own), ("within", self._within))
        }
        self._own, self._within, self._looks = Counter(), Counter(), 0
        return shares if looks > 1 else {}

    def _look(self, _number: int, frame: FrameType | None) -> None:
        self._looks += 1
        if frame is not None:
            self._own[_name(frame)] += 1
        seen = set()
        while frame is not None:
            name = _name(frame)
            if name not in seen and not name.startswith(("python/", "benchmarks/")):
                seen.add(name)
                self._within[name] += 1
            frame = frame.f_back


def _name(frame: FrameType) -> str:
    code = frame.f_code
    file = code.co_filename
    place = file.removeprefix(_ROOT) if file.startswith(_ROOT) and "site-packages" not in file else _foreign(file)
    return f"{place}:{code.co_qualname}"


def _foreign(file: str) -> str:
    return "python/" + "/".join(Path(file).parts[-2:])


def processor_seconds() -> dict[str, float]:
    """Return the processor time of this process: of its main thread, and of all others together by their name."""
    taken: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except OSError:
            continue  # the thread has ended
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        label = "event loop" if task.name == str(os.getpid()) else name
        taken[label] = taken.get(label, 0.0) + (int(fields[11]) + int(fields[12])) / _TICKS
    return taken


def resident_bytes() -> int:
    """Return the memory that this process takes."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
