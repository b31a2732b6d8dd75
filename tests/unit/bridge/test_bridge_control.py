"""Stop requests reach the writer through memory."""

import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ktrdr_bridge import Bridge, Cancelled, StopRequest, read_control, request_stop
from ktrdr_bridge.control import CONTROL_BYTES, ControlWatch


@pytest.fixture
def control(tmp_path: Path) -> Path:
    return tmp_path / "control"


@pytest.fixture
def bridge(tmp_path: Path, control: Path) -> Iterator[Bridge]:
    with Bridge.create(tmp_path / "journal", control=control) as bridge:
        yield bridge


def test_nobody_asked(bridge: Bridge, control: Path) -> None:
    assert not bridge.cancelled
    assert bridge.stop_request is None
    bridge.raise_if_cancelled()
    assert read_control(control) is None


def test_a_request_is_seen_at_once_with_its_reason(bridge: Bridge, control: Path) -> None:
    before = datetime.now(UTC)
    request_stop(control, reason="no longer needed ⏹")
    assert bridge.cancelled
    with pytest.raises(Cancelled, match="no longer needed ⏹") as raised:
        bridge.raise_if_cancelled()
    assert (raised.value.reason, raised.value.stop) == ("no longer needed ⏹", "cancel")
    request = read_control(control)
    assert request is not None
    assert request == bridge.stop_request
    assert request.requested_at is not None
    assert before <= request.requested_at <= datetime.now(UTC)


def test_a_request_may_come_before_the_bridge_is_opened(tmp_path: Path, control: Path) -> None:
    request_stop(control, reason="early")
    with Bridge.create(tmp_path / "journal", control=control) as bridge, pytest.raises(Cancelled, match="early"):
        bridge.raise_if_cancelled()


def test_asking_again_changes_nothing_but_a_cancellation_replaces_a_checkpoint(bridge: Bridge, control: Path) -> None:
    request_stop(control, reason="the host stops", stop="checkpoint")
    request_stop(control, reason="the host stops, still", stop="checkpoint")
    first = read_control(control)
    assert first is not None
    assert (first.stop, first.reason) == ("checkpoint", "the host stops")
    request_stop(control, reason="by the user")
    request_stop(control, reason="again")
    request_stop(control, reason="too late", stop="checkpoint")
    with pytest.raises(Cancelled) as raised:
        bridge.raise_if_cancelled()
    assert (raised.value.stop, raised.value.reason) == ("cancel", "by the user")


def test_now_is_added_to_an_earlier_request_and_stays(control: Path) -> None:
    request_stop(control, reason="first")
    first = read_control(control)
    request_stop(control, reason="second", now=True)
    hurried = read_control(control)
    assert first is not None
    assert hurried is not None
    assert (first.reason, first.now) == ("first", False)
    assert (hurried.reason, hurried.stop, hurried.now) == ("first", "cancel", True)
    request_stop(control, reason="third")
    assert read_control(control) == hurried


def test_a_request_of_an_earlier_version_is_understood(control: Path) -> None:
    request_stop(control, reason="early")
    data = control.read_bytes()
    text = b'{"stop": "cancel", "reason": "early", "requested_at": "2024-01-02T03:04:05+00:00"}'
    offset = 2_560
    head = zlib.crc32(text).to_bytes(4, "little") + len(text).to_bytes(4, "little")
    control.write_bytes(data[:offset] + (head + text).ljust(1_536, b"\0"))
    assert read_control(control) == StopRequest("cancel", "early", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), now=False)


def test_a_wish_that_is_neither_is_refused(control: Path) -> None:
    with pytest.raises(ValueError, match="'cancel' or 'checkpoint', not 'explode'"):
        request_stop(control, reason="", stop="explode")
    assert not control.exists()


def test_an_endless_reason_is_cut(bridge: Bridge, control: Path) -> None:
    request_stop(control, reason="⏹" * 10_000)
    request = bridge.stop_request
    assert request is not None
    assert set(request.reason) == {"⏹"}
    assert control.stat().st_size == CONTROL_BYTES


def test_a_damaged_request_is_still_a_request(bridge: Bridge, control: Path) -> None:
    request_stop(control, reason="whatever")
    data = bytearray(control.read_bytes())
    data[2_580] ^= 1
    with control.open("r+b") as file:
        file.write(data)
    assert bridge.cancelled
    request = read_control(control)
    assert request is not None
    assert (request.stop, request.reason, request.requested_at) == ("cancel", "", None)
    with pytest.raises(Cancelled, match="asked to stop"):
        bridge.raise_if_cancelled()


@pytest.mark.parametrize("content", [b"", b"x" * CONTROL_BYTES, bytes(CONTROL_BYTES), b"KTRDRCTL"])
def test_another_file_is_no_request(control: Path, content: bytes) -> None:
    control.write_bytes(content)
    assert read_control(control) is None


def test_without_a_control_file_nobody_can_ask(tmp_path: Path) -> None:
    with Bridge.create(tmp_path / "journal") as bridge:
        assert not bridge.cancelled
        assert bridge.stop_request is None
        bridge.raise_if_cancelled()
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def test_after_closing_the_answer_is_still_there(bridge: Bridge, control: Path) -> None:
    request_stop(control, reason="late")
    bridge.close()
    assert bridge.cancelled


def test_who_asks_while_the_bridge_is_being_closed_gets_an_answer(
    bridge: Bridge, control: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_stop(control, reason="enough")
    answers = []
    close = ControlWatch.close

    def another_thread_asks(watch: ControlWatch) -> None:
        close(watch)
        answers.append(bridge.cancelled)

    monkeypatch.setattr(ControlWatch, "close", another_thread_asks)
    bridge.close()
    assert answers == [True]
