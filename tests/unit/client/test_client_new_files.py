"""Files that appear while others of the same name are being written."""

import os
from pathlib import Path

import pytest
from ktrdr_client.errors import AlreadyExists
from ktrdr_client.market_data.export import new_file


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"

    def write() -> None:
        with new_file(path, overwrite=False) as file:
            file.write(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(AlreadyExists, match="exists"):
        write()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("bars.csv", b"theirs")]


@pytest.mark.parametrize("has_links", [True, False])
def test_a_new_file_is_in_its_place_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    def refuse(*_names: object) -> None:
        raise PermissionError

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "bars.csv"
    with new_file(path, overwrite=False) as file:
        file.write(b"ours")
        assert not path.exists()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("bars.csv", b"ours")]


def test_a_file_that_may_be_replaced_is(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(b"theirs")
    with new_file(path, overwrite=True) as file:
        file.write(b"ours")
    assert path.read_bytes() == b"ours"
