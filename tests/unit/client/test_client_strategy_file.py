"""Strategies that are read from files and from stdin."""

import io
import sys
from pathlib import Path

import pytest
from ktrdr_client.cli.invocation import UsageProblem
from ktrdr_client.cli.strategy_file import MOST_BYTES, read_strategy
from ktrdr_client.errors import FieldFault


def test_text_is_read_from_a_file_and_from_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "swing.yaml"
    file.write_text("name: Schwäche\n", "utf-8")
    assert read_strategy(file) == "name: Schwäche\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"name: x\n")))
    assert read_strategy(Path("-")) == "name: x\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfen", "cannot be read: it is not UTF-8 text"),
        (b"#" * (MOST_BYTES + 1), "is no strategy: it is longer than 1 MiB"),
    ],
)
def test_what_is_no_text_of_a_strategy_is_wrong_usage(content: bytes | None, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "swing.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageProblem) as caught:
        read_strategy(file)
    assert str(caught.value) == f"{file} {problem}"


def test_a_fault_without_a_field_is_only_described() -> None:
    assert str(FieldFault("", "not valid YAML")) == "not valid YAML"
    assert str(FieldFault("training.epochs", "is missing")) == "training.epochs: is missing"
