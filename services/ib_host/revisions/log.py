"""The changes of stored bars that loads have noticed, beside the dataset.

One line of protobuf JSON for each. A line that a crash has cut off counts as not written.
"""

import os
from pathlib import Path
from typing import Final

from google.protobuf import json_format
from ktrdr.ib.v1 import bars_pb2

NAME: Final = "revisions.jsonl"


class RevisionLog:
    """The changes of one dataset. Every method blocks: call it in a thread.

    Args:
        path: the file; made when the first change is added.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def open(cls, folder: Path) -> "RevisionLog":
        """Return the log of a dataset's folder."""
        return cls(folder / NAME)

    def add(self, revision: bars_pb2.Revision) -> None:
        """Keep a change; durable on return.

        Raises:
            OSError: it can't be written.
        """
        line = json_format.MessageToJson(revision, indent=None).encode() + b"\n"
        with self._path.open("a+b") as file:
            if (size := file.seek(0, os.SEEK_END)) > 0:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    line = b"\n" + line  # what a crash has cut off must not spoil this one
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def newest(self, most: int) -> list[bars_pb2.Revision]:
        """Return the newest changes, newest first.

        Args:
            most: at most so many; 0 for none.

        Raises:
            OSError: the file is there and can't be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found: list[bars_pb2.Revision] = []
        for line in reversed(lines):
            if len(found) >= most:
                break
            try:
                found.append(json_format.Parse(line, bars_pb2.Revision()))
            except json_format.ParseError:
                continue  # cut off, or damaged: that change is forgotten, the others are not
        return found
