import json
import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import ktrdr_bridge
import platformdirs
import platformdirs.macos
import pytest
from ktrdr_bridge import Bridge, SessionBridge, SessionExists, SessionNotRecorded, open_session
from ktrdr_bridge.session import _ID_PATTERN, _LABEL_CHARACTERS, _LABEL_LIMIT
from ktrdr_bridge.session_home import home_folder
from ktrdr_bridge.session_unrecorded import UnrecordedSession

from services.common.identity import ID_PATTERN
from services.common.settings_sources import from_environment
from services.host.attached.records import AttachedRecord
from services.host.start_request import _LABEL_LENGTH_LIMIT
from services.host.start_request import _LABEL_LIMIT as HOST_LABEL_LIMIT
from tests.support.host_service import ProbeHostSettings
from tests.support.recorded_session import recorded_session, recorded_sessions

VARIABLES = ["KTRDR_HOME", "XDG_DATA_HOME", "HOME"]


@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": "/home/me"},
        {"HOME": "/home/me", "XDG_DATA_HOME": "/data"},
        {"HOME": "/home/me", "XDG_DATA_HOME": "not/absolute"},
        {"HOME": "/home/me", "XDG_DATA_HOME": ""},
        {"HOME": "not/absolute"},
        {"HOME": ""},
        {},
        {"HOME": "/home/me", "KTRDR_HOME": "/mine"},
        {"HOME": "/home/me", "KTRDR_HOME": "~/mine"},
        {"HOME": "/home/me", "KTRDR_HOME": "relative"},
        {"HOME": "/home/me", "KTRDR_HOME": ""},
    ],
)
def test_the_home_is_the_one_that_services_use(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    given = from_environment(ProbeHostSettings, "training_host").get("home")
    settings = ProbeHostSettings() if given is None else ProbeHostSettings(home=given.value)
    assert home_folder(os.environ) == settings.home
    if given is None:
        assert home_folder(os.environ, platform="darwin") == platformdirs.macos.MacOS("ktrdr").user_data_path


def test_ids_and_labels_have_the_limits_of_hosts() -> None:
    assert _ID_PATTERN.pattern == ID_PATTERN.pattern
    assert (_LABEL_LIMIT, _LABEL_CHARACTERS) == (HOST_LABEL_LIMIT, _LABEL_LENGTH_LIMIT)


@pytest.mark.parametrize("session_id", ["", ".hidden", "a/b", "..", "a" * 65, "ä", "a b"])
def test_ids_that_cannot_be_folders_are_refused(session_id: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"session_id|kind"):
        open_session("x", home=tmp_path, session_id=session_id or None, kind="training" if session_id else "a/b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "labels", [{"": "x"}, {"k" * 257: "x"}, {"k": "x" * 257}, {str(number): "" for number in range(65)}]
)
def test_labels_beyond_the_limits_are_refused(labels: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="label"):
        open_session("x", home=tmp_path, labels=labels)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("my run", "my run"),
        ("größer 📈", "größer 📈"),
        ("two\nlines\t and  more", "two lines and more"),
        ("\udc80 from a file name", "? from a file name"),
        ("", ""),
        ("x" * 500, "x" * 199 + "…"),
    ],
)
def test_a_name_is_any_text(name: str, shown: str, tmp_path: Path) -> None:
    open_session(name, home=tmp_path, labels={"seed": 7, "\udc80": None}).close()
    opened = recorded_session(tmp_path).opened
    assert (opened["display_name"], opened["labels"]) == (shown, {"seed": "7", "?": "None"})


def test_the_host_understands_what_is_written(tmp_path: Path) -> None:
    with open_session("x" * 500, home=tmp_path) as bridge:
        assert bridge.folder is not None
        record = AttachedRecord.load(bridge.folder / "attached.json")
    assert record is not None
    assert (record.id, record.pid) == (bridge.session_id, os.getpid())
    assert record.start_ticks > 0
    assert record.create_time.tzinfo is not None


def test_an_id_is_used_once(tmp_path: Path) -> None:
    open_session("x", home=tmp_path, session_id="mine").close()
    with pytest.raises(SessionExists, match="'mine'"):
        open_session("x", home=tmp_path, session_id="mine")
    assert [each.result["outcome"] for each in recorded_sessions(tmp_path)] == ["completed"]


def test_sessions_of_a_process_are_independent(tmp_path: Path) -> None:
    with open_session("a", home=tmp_path, total_epochs=2) as first, open_session("b", home=tmp_path) as second:
        first.on_epoch(1, {"loss": 1.0})
        second.on_epoch(1, {"loss": 2.0})
        second.close()
        first.on_epoch(2, {"loss": 3.0})
    assert [each.values("loss") for each in recorded_sessions(tmp_path)] == [[1.0, 3.0], [2.0]]


def test_a_phase_begins_with_a_training_or_a_total(tmp_path: Path) -> None:
    open_session("a", home=tmp_path, total_epochs=5).close()
    open_session("b", "backtest", home=tmp_path).close()
    progress = recorded_session(tmp_path).progress
    assert (progress.phase, progress.total, progress.unit) == ("train", 5, "epochs")
    assert recorded_session(tmp_path, "backtest").progress.phase == ""


@pytest.mark.parametrize("raise_on_cancel", [False, True])
def test_events_are_written_by_compiled_code(raise_on_cancel: bool, tmp_path: Path) -> None:
    with open_session("x", home=tmp_path, raise_on_cancel=raise_on_cancel) as bridge:
        for batch in (1, 2):
            bridge.on_batch(batch, 2, {"loss": 0.5})
        bridge.on_epoch(1, {"loss": 0.5})
        for method in (type(bridge).on_batch, type(bridge).on_epoch):
            assert isinstance(method, FunctionType)
            compiled = [method, *(cell.cell_contents for cell in method.__closure__ or ())]
            assert any(
                isinstance(each, FunctionType) and each.__code__.co_filename.startswith("<") for each in compiled
            )
        assert isinstance(bridge, SessionBridge)
        assert SessionBridge.on_batch is Bridge.on_batch  # others are not touched


def limited(home: Path, *, file_bytes: int) -> list[str]:
    """Open a session in a process whose files cannot be larger than this, and return what it prints."""
    script = f"""
import resource, warnings
import ktrdr_bridge
resource.setrlimit(resource.RLIMIT_FSIZE, ({file_bytes}, {file_bytes}))
with warnings.catch_warnings(record=True) as caught:
    with ktrdr_bridge.open_session("x", home={str(home)!r}, raise_on_cancel=True) as bridge:
        for epoch in range(3):
            bridge.on_epoch(epoch, {{"loss": 0.5}})
            bridge.raise_if_cancelled()
print(bridge.recording, bridge.folder, bridge.cancelled)
for each in caught: print(each.category.__name__, each.message, each.filename)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    return ran.stdout.splitlines()


@pytest.mark.parametrize("file_bytes", [0, 4_096, 20_000])
def test_without_space_the_loop_runs_on_and_is_told_once(file_bytes: int, tmp_path: Path) -> None:
    state, warning = limited(tmp_path, file_bytes=file_bytes)
    assert state == "False None False"
    assert warning.startswith("SessionNotRecorded the session 'x' is not recorded, its loop runs on without: ")
    assert warning.endswith("<string>")  # the caller's own line
    assert not list((tmp_path / "local" / "training").iterdir())


def test_without_a_folder_the_loop_runs_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.warns(SessionNotRecorded, match="not recorded"):
        bridge = open_session("x", home=tmp_path / "file", total_epochs=3)
    with bridge:
        bridge.set_phase("train", total=2, unit="epochs")
        bridge.advance(0, step="begin")
        bridge.wait_reason("bars")
        bridge.on_batch(1, 2, {"loss": 0.5})
        bridge.on_epoch(1, {"loss": 0.5})
        bridge.on_rows(1, rows=5)
        assert (bridge.cancelled, bridge.stop_request, bridge.recording, bridge.incarnation) == (False, None, False, "")
    bridge.on_epoch(2, {"loss": 0.5})
    bridge.close()


def test_all_that_a_bridge_can_do_is_answered_without_one() -> None:
    made = {"create", "resume"}
    public = {name for name in vars(Bridge) if not name.startswith("_")} - made
    assert public <= set(vars(UnrecordedSession))


def test_nothing_heavy_is_imported() -> None:
    script = "import sys, json, ktrdr_bridge; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(Path(ktrdr_bridge.__file__).parents[1])},
    )
    loaded = {name.partition(".")[0] for name in json.loads(out.stdout)}
    foreign = loaded - set(sys.stdlib_module_names) - {"ktrdr_bridge", "__main__", "sitecustomize"}
    assert not {"torch", "lightning", "pytorch_lightning", "transformers", "accelerate", "numpy"} & loaded
    assert not {name for name in foreign if not name.startswith("_")} - {"distutils-precedence", "usercustomize"}
