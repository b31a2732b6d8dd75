"""The faults of the whole gateway, and of connections."""

from datetime import UTC, date, datetime

from services.ib_host.replay.faults.catalogued import Entry

TROUBLES: tuple[Entry, ...] = (
    (
        "permission",
        "refusing",
        "The account has no subscription for what is listed at an exchange.",
        {"on": "historical_data", "action": "permission", "exchange": "NASDAQ"},
    ),
    (
        "permission_live",
        "refusing",
        "The same, with the code for live data.",
        {"on": "historical_data", "action": "permission", "code": 354, "exchange": "NASDAQ"},
    ),
    (
        "competing_session",
        "passing",
        "The user is logged in elsewhere for a while (162).",
        {"on": "historical_data", "action": "competing_session", "seconds": 1, "times": 1},
    ),
    (
        "competing_session_live",
        "passing",
        "The same, with code 10197.",
        {"on": "historical_data", "action": "competing_session", "seconds": 1, "code": 10197, "times": 1},
    ),
    (
        "connectivity_kept",
        "passing",
        "The gateway loses IB (1100), and has it back with everything (1102).",
        {"on": "historical_data", "action": "connectivity", "seconds": 1, "back": 1102, "times": 1},
    ),
    (
        "connectivity_lost",
        "passing",
        "The gateway loses IB (1100), and what was asked meanwhile is lost (1101).",
        {"on": "historical_data", "action": "connectivity", "seconds": 1, "back": 1101, "times": 1},
    ),
    (
        "connectivity_2110",
        "passing",
        "The gateway loses IB, and says so with 2110.",
        {"on": "historical_data", "action": "connectivity", "code": 2110, "seconds": 1, "times": 1},
    ),
    (
        "farm_history",
        "passing",
        "The farm of the history is broken (2105): 162 until it is well (2106).",
        {"on": "historical_data", "action": "farm", "farm": "hmds", "seconds": 1, "times": 1},
    ),
    (
        "farm_history_silent",
        "passing",
        "The farm of the history is broken (2105): silence until it is well (2106).",
        {"on": "historical_data", "action": "farm", "farm": "hmds", "requests": "silent", "seconds": 1, "times": 1},
    ),
    (
        "farm_contracts",
        "passing",
        "The farm of the contracts is broken (2157): 200 until it is well (2158).",
        {"on": "contract_details", "action": "farm", "farm": "secdef", "seconds": 1, "times": 1},
    ),
    (
        "farm_market",
        "passing",
        "The farm of live data is broken (2103), which is only told.",
        {"on": "historical_data", "action": "farm", "farm": "market", "seconds": 1, "times": 1},
    ),
    (
        "restart",
        "passing",
        "The gateway restarts: connections are closed, and refused for a while.",
        {"on": "historical_data", "action": "restart", "seconds": 1, "nth": 2, "times": 1},
    ),
    (
        "restart_zombies",
        "passing",
        "The gateway restarts, and the ids of its clients stay taken for a while (326).",
        {
            "on": "historical_data",
            "action": "restart",
            "seconds": 0.5,
            "zombie_seconds": 2,
            "reset": True,
            "nth": 2,
            "times": 1,
        },
    ),
    (
        "nightly_reset",
        "passing",
        "A night: IB is away, the gateway restarts, and the farms are well again later.",
        {
            "on": "historical_data",
            "action": "nightly_reset",
            "seconds": 0.5,
            "restart_seconds": 0.5,
            "farm_seconds": 0.5,
            "nth": 2,
            "times": 1,
        },
    ),
    (
        "nightly_reset_at",
        "passing",
        "The same at an instant of the replay: for a gateway whose present runs (--speed).",
        {
            "on": "clock",
            "begin": datetime(2013, 3, 2, 5, 15, tzinfo=UTC),
            "action": "nightly_reset",
            "seconds": 5,
            "restart_seconds": 5,
            "farm_seconds": 5,
        },
    ),
    (
        "restarts_every_minute",
        "passing",
        "The gateway restarts again and again, whatever clients do.",
        {"on": "clock", "begin": 30, "every": 60, "action": "restart", "seconds": 2},
    ),
    (
        "split",
        "altering",
        "A split becomes known between two requests: all bars before its day are adjusted from then on.",
        {"on": "historical_data", "symbol": "AAPL", "action": "split", "ratio": 2, "nth": 2, "times": 1},
    ),
    (
        "correction",
        "altering",
        "Prices of some days are corrected between two requests.",
        {
            "on": "historical_data",
            "symbol": "AAPL",
            "action": "correction",
            "first": date(2012, 1, 3),
            "last": date(2012, 1, 6),
            "factor": 1.02,
            "nth": 2,
            "times": 1,
        },
    ),
)
CONNECTING: tuple[Entry, ...] = (
    (
        "zombie_client_id",
        "passing",
        "The id of a client stays taken after it has left: it meets 326 when it comes back.",
        {"on": "start_api", "action": "zombie_client_id", "seconds": 2, "times": 1},
    ),
    (
        "greeting_silent",
        "passing",
        "The first greeting is not answered.",
        {"on": "handshake", "action": "silent", "times": 1},
    ),
    (
        "greeting_disconnect",
        "passing",
        "The first connection is closed at the greeting.",
        {"on": "handshake", "action": "disconnect", "times": 1},
    ),
    (
        "greeting_malformed",
        "passing",
        "The first greeting is answered with nonsense.",
        {"on": "handshake", "action": "malformed", "damage": "non_int_id", "times": 1},
    ),
    (
        "start_silent",
        "passing",
        "The first start of a client is not answered.",
        {"on": "start_api", "action": "silent", "times": 1},
    ),
    (
        "start_refused",
        "passing",
        "The first start of a client is refused: its id is said to be taken (326).",
        {
            "on": "start_api",
            "action": "error",
            "code": 326,
            "text": "Unable to connect as the client id is already in use. Retry with a unique client id.",
            "times": 1,
        },
    ),
    (
        "start_disconnect",
        "passing",
        "The connection is closed at the first start.",
        {"on": "start_api", "action": "disconnect", "times": 1},
    ),
    (
        "mute",
        "passing",
        "A kind of message is never answered: here, the one that clients wait for when they connect.",
        {"on": "completed_orders", "action": "silent"},
    ),
)
