"""The adapter of the client library, over the one that is installed."""

import asyncio
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.ib_host.connection.library import (
    LibraryProblem,
    LibrarySession,
    ReceivedSession,
    library_name,
    new_contract,
    received_head,
    received_sessions,
)
from services.ib_host.connection.library.installed import IS_IB_ASYNC, choose, import_library

ROOT = Path(__file__).parents[3]
ADAPTER = ROOT / "services" / "ib_host" / "connection" / "library"
IN_USE, OTHER = ("ib_async", "ib_insync") if IS_IB_ASYNC else ("ib_insync", "ib_async")

REQUEST = 5


@dataclass
class Told:
    errors: list[tuple[int, int, str]] = field(default_factory=list)
    senseless: list[list[str]] = field(default_factory=list)

    def told(self, request_id: int, code: int, text: str) -> None:
        self.errors.append((request_id, code, text))

    def lost(self) -> None:
        raise AssertionError

    def out_of_step(self, length: int) -> None:
        raise AssertionError(length)

    def undecodable(self, fields: Sequence[str]) -> None:
        self.senseless.append(list(fields))


class TestTheLibraryInUse:
    def test_nothing_else_of_ours_knows_it(self) -> None:
        word = re.compile(r"ib_insync|ib_async|eventkit|nest_asyncio")
        code = [*ROOT.glob("services/**/*.py"), *ROOT.glob("clients/**/*.py")]
        knowing = {path.parent for path in code if word.search(path.read_text())}
        assert knowing == {ADAPTER}

    def test_has_a_name_for_people(self) -> None:
        assert library_name() == f"{IN_USE} {version(IN_USE)}"

    def test_neither_is_installed(self) -> None:
        with pytest.raises(LibraryProblem, match=r"Neither .* pip install 'ktrdr\[ib\]' .* 'ktrdr\[ib-async\]'"):
            choose([])

    def test_both_are_installed(self) -> None:
        with pytest.raises(LibraryProblem, match="pip uninstall ib_insync ib_async eventkit aeventkit"):
            choose(["ib_insync", "ib_async"])

    def test_one_is_installed(self) -> None:
        assert choose([OTHER]) == OTHER

    def test_it_is_damaged(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / f"{OTHER}.py").write_text("from eventkit import NothingOfThisName\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(LibraryProblem, match=f"{OTHER} is installed but can't be imported: .*--force-reinstall"):
            import_library(OTHER)

    def test_the_extras_differ_in_the_library_only(self) -> None:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(extras["ib"]) ^ set(extras["ib-async"]) == {"ib_insync>=0.9.86", "ib_async>=2.1.0"}

    def test_importing_it_loads_nothing_that_is_slow(self) -> None:
        code = (
            "import sys; import services.ib_host.connection.library; "
            "print(sorted({'pandas', 'pyarrow', 'matplotlib'} & set(sys.modules)))"
        )
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert (done.stdout, done.stderr) == ("[]\n", "")


class TestASession:
    async def test_reports_every_message_that_makes_no_sense(self) -> None:
        told = Told()
        session = LibrarySession(told)
        _, answer = session.begin(key="currentTime")
        for fields in (["49", "1", "noon"], ["49", "1"], ["52", "1", "x"], ["17", "5", "", ""], ["9999"], ["x"], [""]):
            session._ib.client.decoder.interpret(fields)
            assert told.senseless.pop() == fields
        assert not answer.done()
        session._ib.client.decoder.interpret(["49", "1", "1362182400"])
        assert await answer == datetime(2013, 3, 2, tzinfo=UTC)
        assert told.senseless == []

    async def test_a_senseless_head_timestamp_ends_its_request(self) -> None:
        session = LibrarySession(Told())
        answer = session._ib.wrapper.startReq(REQUEST, new_contract(symbol="AAPL"))
        session._ib.client.decoder.interpret(["88", str(REQUEST), "never"])
        with pytest.raises(ValueError, match="never"):
            await answer

    @pytest.mark.parametrize(("code", "ends"), [(321, True), (200, True), (162, True), (165, False), (2174, False)])
    async def test_an_error_ends_its_request_and_a_notice_does_not(self, code: int, ends: bool) -> None:
        told = Told()
        session = LibrarySession(told)
        answer = session._ib.wrapper.startReq(REQUEST, new_contract(symbol="AAPL"))
        session._ib.client.decoder.serverVersion = 176
        session._ib.client.decoder.interpret(["4", "2", str(REQUEST), str(code), "words", ""])
        assert told.errors == [(REQUEST, code, "words")]
        assert answer.done() is ends
        session.forget(REQUEST)
        assert session._ib.wrapper._futures == {}

    async def test_the_restored_link_starts_no_request_of_the_library(self) -> None:
        told = Told()
        session = LibrarySession(told)
        session._ib.client.decoder.serverVersion = 176
        before = len(asyncio.all_tasks())
        session._ib.client.decoder.interpret(["4", "2", "-1", "1102", "restored", ""])
        assert len(asyncio.all_tasks()) == before
        assert told.errors == [(-1, 1102, "restored")]


class TestAnswers:
    def test_sessions_are_told_in_utc(self) -> None:
        answer = SimpleNamespace(
            timeZone="US/Eastern",
            sessions=[
                SimpleNamespace(startDateTime="20130310-18:00:00", endDateTime="20130311-17:00:00", refDate="20130311")
            ],
        )
        assert received_sessions(answer) == [
            ReceivedSession(
                datetime(2013, 3, 10, 22, tzinfo=UTC), datetime(2013, 3, 11, 21, tzinfo=UTC), date(2013, 3, 11)
            )
        ]

    @pytest.mark.parametrize(
        "answer",
        [
            [],
            SimpleNamespace(timeZone="Nowhere/Land", sessions=[]),
            SimpleNamespace(
                timeZone="UTC",
                sessions=[SimpleNamespace(startDateTime="noon", endDateTime="20130311-17:00:00", refDate="20130311")],
            ),
        ],
    )
    def test_a_schedule_that_makes_no_sense(self, answer: Any) -> None:
        with pytest.raises(ValueError, match=r"can't be read|does not match"):
            received_sessions(answer)

    def test_a_head_timestamp_without_zone_is_utc(self) -> None:
        head = datetime(2000, 3, 1, 14, 30, tzinfo=UTC)
        assert [received_head(head), received_head(head.replace(tzinfo=None))] == [head, head]

    @pytest.mark.parametrize("answer", [[], None, "20000301", date(2000, 3, 1)])
    def test_a_head_timestamp_that_is_none(self, answer: Any) -> None:
        with pytest.raises(ValueError, match="no time at which a history begins"):
            received_head(answer)
