import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from ktrdr_bridge import ChangingWords

from services.host.journal_glance import JournalGlance

PAGE = 65_536
WORDS = struct.Struct("<QQQ")


class Files:
    """Files with words at the start of their second page, and a glance at them."""

    def __init__(self, folder: Path) -> None:
        self.glance: JournalGlance[str] = JournalGlance()
        self.descriptors: dict[str, int] = {}
        self._folder = folder

    def add(self, name: str) -> None:
        path = self._folder / name
        path.write_bytes(bytes(2 * PAGE))
        self.descriptors[name] = os.open(path, os.O_RDWR)
        self.glance.watch(name, ChangingWords(object(), self.descriptors[name], PAGE + 80, WORDS.size))

    def write(self, name: str, *numbers: int) -> None:
        os.pwrite(self.descriptors[name], WORDS.pack(*numbers), PAGE + 80)

    def changed(self) -> dict[str, tuple[int, ...]]:
        return {name: WORDS.unpack(found) for name, _, found in self.glance.look()}


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    made = Files(tmp_path)
    yield made
    made.glance.close()
    for descriptor in made.descriptors.values():
        os.close(descriptor)


def test_what_has_changed_is_told_once(files: Files) -> None:
    for name in ("a", "b", "c"):
        files.add(name)
    assert sorted(files.changed()) == ["a", "b", "c"], "the first look tells all"
    assert files.changed() == {}
    files.write("b", 1, 2, 3)
    assert files.changed() == {"b": (1, 2, 3)}
    files.write("a", 0, 0, 4)
    files.write("c", 5, 0, 0)
    assert files.changed() == {"a": (0, 0, 4), "c": (5, 0, 0)}
    assert files.changed() == {}


def test_a_file_that_was_cut_off_is_forgotten_and_ends_nobody(files: Files) -> None:
    for name in ("a", "b", "c"):
        files.add(name)
    files.changed()
    os.ftruncate(files.descriptors["b"], 100)
    files.write("c", 1, 1, 1)
    assert files.changed().get("c") == (1, 1, 1)
    assert "b" not in files.glance
    assert len(files.glance) == 2
    files.write("a", 7, 7, 7)
    assert files.changed() == {"a": (7, 7, 7)}


def test_a_file_that_is_cut_off_before_it_is_watched_is_left_alone(files: Files) -> None:
    files.add("a")
    os.ftruncate(files.descriptors["a"], 100)
    files.glance.watch("a", ChangingWords(object(), files.descriptors["a"], PAGE + 80, WORDS.size))
    assert "a" not in files.glance
    assert files.changed() == {}


def test_other_bytes_of_the_same_key_take_the_place_of_the_first(files: Files) -> None:
    files.add("a")
    files.add("b")
    files.changed()
    files.glance.watch("a", ChangingWords(object(), files.descriptors["b"], PAGE + 80, WORDS.size))
    files.changed()
    files.write("a", 1, 1, 1)
    assert files.changed() == {}
    files.write("b", 2, 2, 2)
    assert files.changed() == {"a": (2, 2, 2), "b": (2, 2, 2)}


def test_keys_that_are_not_kept_are_forgotten(files: Files) -> None:
    files.add("a")
    files.add("b")
    files.glance.keep({"b"})
    files.write("a", 1, 1, 1)
    assert sorted(files.changed()) == ["b"]
    assert len(files.glance) == 1
