"""Which rule fires when, and which files are refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ib_host.replay.faults.answers import ErrorRule, SilentRule
from services.ib_host.replay.faults.file import FaultFileError, read_faults
from services.ib_host.replay.faults.messages import request_id
from services.ib_host.replay.faults.rule import FaultRule
from services.ib_host.replay.faults.rulebook import Faults
from services.ib_host.replay.messages import Inbound

HISTORY = int(Inbound.HISTORICAL_DATA)


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
