"""Which rule fires when, and which files are refused."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.replay.faults.answers import ErrorRule, SilentRule
from services.ib_host.replay.faults.file import FaultFileError, read_faults
from services.ib_host.replay.faults.messages import request_id
from services.ib_host.replay.faults.moments import Moment
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound

HISTORY = int(Inbound.HISTORICAL_DATA)
NOON = datetime(2013, 3, 1, 12, tzinfo=UTC)


def ask(symbol: str = "AAPL") -> tuple[str, ...]:
    return ("20", "5", "0", symbol, "STK")


def met(faults: Faults, message: int, fields: tuple[str, ...]) -> FaultRule | None:
    due = faults.find(message, fields)
    return due.rule if due else None


def write(folder: Path, text: str) -> Path:
    path = folder / "faults.toml"
    path.write_text(text)
    return path


def test_a_file_says_it_all(tmp_path: Path) -> None:
    faults = read_faults(
        write(
            tmp_path,
            """
            seed = 3
            mute = ["executions", 5]
            [[rule]]
            on = "historical_data"
            symbol = "AAPL"
            nth = 2
            times = 1
            probability = 1
            action = "error"
            code = 162
            text = "Trouble"
            [[rule]]
            name = "slow contracts"
            on = 9
            action = "delay"
            seconds = 2
            """,
        )
    )
    rules = [count.rule for count in faults.counts]
    assert [(rule.name, rule.on, rule.action) for rule in rules] == [
        ("mute", 7, "silent"),
        ("mute", 5, "silent"),
        ("rule 1", 20, "error"),
        ("slow contracts", 9, "delay"),
    ]
    assert met(faults, 7, ("7", "3", "1")) is rules[0]
    assert met(faults, HISTORY, ask()) is None
    assert met(faults, HISTORY, ask("MSFT")) is None
    assert met(faults, HISTORY, ask()) is rules[2]
    assert met(faults, HISTORY, ask()) is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("seed = 'x'", "seed = 'x': Input should be a valid integer"),
        ("sed = 1", "the key sed has no meaning here"),
        (
            "mute = ['nothing']",
            "'nothing': there is no message 'nothing': use an id, or one of handshake, clock, place_order",
        ),
        ("rule = 3", "rule = 3: Input should be a valid list"),
        ("[[rule]]\naction = 'silent'", "rule 1: the key on is missing"),
        ("[[rule]]\non = 20", "rule 1: the key action must be one of abort, "),
        ("[[rule]]\non = 20\naction = 'explode'", "rule 1: the key action must be one of abort, "),
        ("[[rule]]\non = 20\naction = 'silent'\ncode = 1", "rule 1: the key code has no meaning here"),
        ("[[rule]]\non = 21000\naction = 'silent'", "rule 1: on = 21000: there is no message 21000"),
        (
            "[[rule]]\non = 20\naction = 'silent'\nnth = 0",
            "rule 1: nth = 0: Input should be greater than or equal to 1",
        ),
        ("[[rule]]\non = 20\naction = 'silent'\nnth = '1'", "rule 1: nth = '1': Input should be a valid integer"),
        ("[[rule]]\non = 20\naction = 'silent'\nprobability = 1.5", "rule 1: probability = 1.5: Input should be less"),
        ("[[rule]]\non = 20\naction = 'delay'\nseconds = -1", "rule 1: seconds = -1: Input should be greater than"),
        ("[[rule]]\non = 20\naction = 'delay'\nseconds = nan", "rule 1: seconds = nan: Input should be"),
        ("[[rule]]\non = 49\naction = 'silent'\nsymbol = 'AAPL'", "rule 1: symbol is possible only for messages that"),
        ("[[rule]]\nname = 'x'\non = 20\naction = 'error'\ntext = ''", "rule 1 (x): the key code is missing"),
        ("[[rule]]\non = 'handshake'\naction = 'error'\ncode = 1\ntext = ''", "rule 1: a greeting cannot be answered"),
        (
            "[[rule]]\non = 49\naction = 'malformed'\ndamage = 'bad_date'",
            "rule 1: damage = 'bad_date' is possible only on head_timestamp, historical_data",
        ),
        ("[[rule]]\non = 20\naction = 'malformed'\ndamage = 'odd'", "rule 1: damage = 'odd': Input should be 'bad_nu"),
        ("[[rule]]\non = 9\naction = 'gap'", "rule 1: gap is possible on historical_data only"),
        ("[[rule]]\non = 20\naction = 'reverse'\ncount = 2", "rule 1: the key count has no meaning with reverse"),
        ("[[rule]]\non = 9\naction = 'late'\nseconds = 2", "rule 1: late is possible on historical_data only"),
        ("[[rule]]\non = 71\naction = 'pacing'", "rule 1: pacing is possible only for messages that follow the start"),
        ("[[rule]]\non = 20\naction = 'pacing'\ncode = 7", "rule 1: code = 7: Input should be 100, 162 or 420"),
        ("[[rule]]\non = 20\naction = 'connectivity'\nseconds = 1\nback = 1", "rule 1: back = 1: Input should be 1101"),
        (
            "[[rule]]\non = 20\naction = 'farm'\nseconds = 1\nfarm = 'eu'",
            "rule 1: farm = 'eu': Input should be 'market'",
        ),
        ("[[rule]]\non = 20\naction = 'drip'\nseconds = 1\nsize = 0", "rule 1: size = 0: Input should be greater than"),
        (
            "[[rule]]\non = 20\naction = 'zombie_client_id'\nseconds = 1",
            "rule 1: zombie_client_id is possible on start_",
        ),
        ("[[rule]", "is no TOML"),
    ],
)
def test_what_has_no_meaning_is_refused_with_file_rule_and_key(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FaultFileError) as refusal:
        read_faults(path)
    assert str(refusal.value).startswith(str(path))
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FaultFileError, match=r"none\.toml can't be read: No such file"):
        read_faults(tmp_path / "none.toml")


@given(st.integers(), st.lists(st.sampled_from(["AAPL", "MSFT"]), max_size=40), st.floats(0.01, 1))
def test_the_same_seed_and_messages_meet_the_same_faults_whatever_other_rules_there_are(
    seed: int, symbols: list[str], probability: float
) -> None:
    rule = SilentRule(on=HISTORY, symbol="AAPL", probability=probability)
    other = ErrorRule(on=HISTORY, probability=0.5, code=1, text="")
    alone = [Faults([rule], seed=seed)]
    runs = [[met(faults, HISTORY, ask(symbol)) for symbol in symbols] for faults in (*alone, Faults([rule], seed=seed))]
    together = Faults([rule, other], seed=seed)
    assert runs[0] == runs[1]
    found = [met(together, HISTORY, ask(symbol)) for symbol in symbols]
    assert [rule if rule and rule.action == "silent" else None for rule in found] == runs[0]
    assert together.counts[0].matched == symbols.count("AAPL")


def test_a_probability_is_met_about_as_often_as_it_says() -> None:
    faults = Faults([SilentRule(on=HISTORY, probability=0.3)], seed=11)
    for _ in range(1000):
        faults.find(HISTORY, ask())
    assert 250 < faults.counts[0].fired < 350


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        (("20", "5", "0"), 5),
        (("9", "8", "6"), 6),
        (("49", "1"), -1),
        (("20",), -1),
        (("20", ""), -1),
        (("20", "-7"), -1),
        (("20", "9" * 5000), -1),
        ((), -1),
    ],
)
def test_the_id_of_a_request_is_where_its_message_has_it(fields: tuple[str, ...], number: int) -> None:
    assert request_id(fields) == number


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "seed = 1\n\n[[rule]]\non = 20\naction = 'silent'\n\n[[rule]]\non = 20\naction = 'cut'\nsize = 0\n",
            ":10: rule 2:",
        ),
        ("# [[rule]]\n[[ rule ]]\nname = 'x'\non = 20\n", ":2: rule 1 (x): the key action must be one of abort,"),
        ("mute = []\nsed = 7\n", ":2: the key sed has no meaning here"),
        ("rule = [{on = 20}]\n", ": rule 1: the key action must be"),
        ("seed = \n", " is no TOML: Invalid value (at line 1, column 8)"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FaultFileError) as refusal:
        read_faults(path)
    assert str(refusal.value).startswith(f"{path}{complaint}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("on = 'clock'\naction = 'silent'", "silent happens to a message"),
        ("on = 20\naction = 'restart'\nseconds = 1\nevery = 5", 'the key every has a meaning only with on = "clock"'),
        ("on = 20\naction = 'silent'\nbegin = 5\nend = 5", "end should be later than begin"),
        ("on = 20\naction = 'silent'\nbegin = 'soon'", "begin = 'soon': it should be seconds after the start"),
        ("on = 9\naction = 'silent'\nbar_size = '1 min'", "bar_size is possible only for messages that name one"),
        ("on = 49\naction = 'silent'\nexchange = 'NYSE'", "exchange is possible only for messages that name one"),
        ("on = 20\naction = 'split'", "split needs the key symbol: whose prices change"),
        ("on = 20\naction = 'split'\nsymbol = 'A'\nratio = '0/1'", "ratio = '0/1': it should be the new shares"),
        (
            "on = 20\naction = 'correction'\nsymbol = 'A'\nfirst = 2012-01-04\nlast = 2012-01-03",
            "last should not be before first",
        ),
        ("on = 20\naction = 'slow'", "slow needs one of the keys seconds, jitter, per_thousand_bars and per_day"),
        ("on = 9\naction = 'pad'", "pad is possible on historical_data only"),
        ("on = 71\naction = 'info'", "info is possible only for messages that follow the start"),
        ("on = 9\naction = 'permission'", "permission is possible on historical_data and head_timestamp only"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(FaultFileError) as refusal:
        read_faults(write(tmp_path, f"[[rule]]\n{text}\n"))
    assert complaint in str(refusal.value)


def history(*, bar_size: str = "1 day", what: str = "TRADES", exchange: str = "SMART") -> tuple[str, ...]:
    contract = ("0", "AAPL", "STK", "", "0", "", "", exchange, "", "USD", "", "")
    return ("20", "5", *contract, "0", "", bar_size, "5 D", "1", what, "2", "0", "")


@pytest.mark.parametrize(
    ("keys", "fields", "client_id", "matches"),
    [
        ({"bar_size": "1 min"}, history(bar_size="1 min"), 1, True),
        ({"bar_size": "1 min"}, history(), 1, False),
        ({"what": "MIDPOINT"}, history(what="MIDPOINT"), 1, True),
        ({"what": "MIDPOINT"}, history(), 1, False),
        ({"exchange": "NASDAQ"}, history(exchange="NASDAQ"), 1, True),
        ({"exchange": "NASDAQ"}, history(), 1, True),
        ({"exchange": "NYSE"}, history(), 1, False),
        ({"client_id": 1}, history(), 1, True),
        ({"client_id": 1}, history(), 2, False),
    ],
)
def test_a_rule_can_be_for_some_requests_only(
    keys: dict[str, Any], fields: tuple[str, ...], client_id: int, matches: bool
) -> None:
    faults = Faults([SilentRule(on=HISTORY, **keys)])
    due = faults.find(HISTORY, fields, client_id=client_id, listed=lambda _fields: {"NASDAQ"})
    assert (due is not None) == matches


@pytest.mark.parametrize(
    ("begin", "end", "elapsed", "hour", "in_force"),
    [
        (5.0, None, 4.9, 0, False),
        (5.0, 6.0, 5.0, 0, True),
        (5.0, 6.0, 6.0, 0, False),
        (NOON, None, 0.0, 11, False),
        (NOON, None, 0.0, 12, True),
        (0.0, NOON, 0.0, 12, False),
    ],
)
def test_a_rule_is_in_force_for_its_time_and_counts_only_then(
    begin: float | datetime, end: float | datetime | None, elapsed: float, hour: int, in_force: bool
) -> None:
    faults = Faults([SilentRule(on=HISTORY, begin=begin, end=end)])
    moment = Moment(elapsed, datetime(2013, 3, 1, hour, tzinfo=UTC))
    assert (faults.find(HISTORY, history(), moment=moment) is not None) == in_force
    assert faults.counts[0].matched == in_force
