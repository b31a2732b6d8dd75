"""Digests of files are calculated once, by one caller for all."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.training_host.model_files.digests import Digests, sha256_of
from services.training_host.model_files.folder import FileChangedError, FileState, list_files
from tests.support.eventually import eventually


@pytest.fixture
def file(tmp_path: Path) -> FileState:
    (tmp_path / "weights").write_bytes(b"abc" * 1_000_000)
    (state,) = list_files(tmp_path)
    return state


class Counted:
    """Calculates digests when it is let, and counts."""

    def __init__(self) -> None:
        self.begun: list[FileState] = []
        self.go_on = threading.Event()

    def __call__(self, file: FileState, is_wanted: Callable[[], bool]) -> str:
        self.begun.append(file)
        assert self.go_on.wait(60)
        return sha256_of(file, is_wanted)


async def test_everybody_waits_for_one_calculation_and_later_none_is_needed(file: FileState) -> None:
    counted = Counted()
    digests = Digests(calculate=counted)
    waiting = [asyncio.create_task(digests.of(file)) for _ in range(5)]
    await eventually(lambda: counted.begun)
    waiting[0].cancel()
    counted.go_on.set()
    expected = hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert await asyncio.gather(*waiting[1:]) == [expected] * 4
    assert await digests.of(file) == expected
    assert counted.begun == [file]


async def test_a_file_that_has_changed_is_calculated_anew(file: FileState) -> None:
    digests = Digests()
    before = await digests.of(file)
    file.path.write_bytes(b"new")
    os.utime(file.path, ns=(0, file.modified_ns + 1))
    (state,) = list_files(file.path.parent)
    assert await digests.of(state) == hashlib.sha256(b"new").hexdigest()
    assert await digests.of(file) == before, "it is asked for as it was"


async def test_a_file_that_is_another_one_by_now_has_no_digest(file: FileState) -> None:
    file.path.write_bytes(b"new")
    with pytest.raises(FileChangedError):
        await Digests().of(file)
    file.path.unlink()
    with pytest.raises(FileNotFoundError):
        await Digests().of(file)


async def test_the_one_not_asked_for_longest_is_forgotten(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    a, b, c = list_files(tmp_path)
    counted = Counted()
    counted.go_on.set()
    digests = Digests(most_remembered=2, calculate=counted)
    for each in (a, b, a, c, a, b):
        await digests.of(each)
    assert counted.begun == [a, b, c, b]


async def test_closing_ends_what_is_calculated(file: FileState) -> None:
    counted = Counted()
    digests = Digests(calculate=counted)
    waiting = asyncio.create_task(digests.of(file))
    await eventually(lambda: counted.begun)
    closing = asyncio.create_task(digests.close())
    await asyncio.sleep(0)  # closing begins
    counted.go_on.set()
    await closing
    with pytest.raises(FileChangedError):
        await waiting
