"""What the gateway answers, by message id."""

from collections.abc import Mapping

from services.ib_host.replay.gateway import Gateway
from services.ib_host.replay.handlers.account import (
    AccountSummary,
    AccountUpdates,
    AccountUpdatesMulti,
    CompletedOrders,
    Executions,
    OpenOrders,
    OrderEntry,
    Positions,
)
from services.ib_host.replay.handlers.connection import CurrentTime, ManagedAccounts, NextIds, NoAnswer
from services.ib_host.replay.handlers.contracts import ContractDetails, MatchingSymbols
from services.ib_host.replay.handlers.historical import (
    CancelHeadTimestamp,
    CancelHistoricalData,
    HeadTimestamp,
    HistoricalData,
)
from services.ib_host.replay.messages import Inbound
from services.ib_host.replay.session import Handler


def build_handlers(gateway: Gateway) -> Mapping[int, Handler]:
    """Return the dispatch table."""
    no_answer = NoAnswer()
    return {
        Inbound.PLACE_ORDER: OrderEntry(fields_before_id=0),
        Inbound.CANCEL_ORDER: OrderEntry(fields_before_id=1),
        Inbound.OPEN_ORDERS: OpenOrders(),
        Inbound.ACCOUNT_UPDATES: AccountUpdates(gateway),
        Inbound.EXECUTIONS: Executions(),
        Inbound.IDS: NextIds(),
        Inbound.CONTRACT_DETAILS: ContractDetails(gateway),
        Inbound.SERVER_LOG_LEVEL: no_answer,
        Inbound.AUTO_OPEN_ORDERS: no_answer,
        Inbound.ALL_OPEN_ORDERS: OpenOrders(),
        Inbound.MANAGED_ACCOUNTS: ManagedAccounts(),
        Inbound.HISTORICAL_DATA: HistoricalData(gateway),
        Inbound.EXERCISE_OPTIONS: OrderEntry(fields_before_id=1),
        Inbound.CANCEL_HISTORICAL_DATA: CancelHistoricalData(),
        Inbound.CURRENT_TIME: CurrentTime(gateway),
        Inbound.GLOBAL_CANCEL: OrderEntry(fields_before_id=None),
        Inbound.MARKET_DATA_TYPE: no_answer,
        Inbound.POSITIONS: Positions(),
        Inbound.ACCOUNT_SUMMARY: AccountSummary(),
        Inbound.CANCEL_ACCOUNT_SUMMARY: no_answer,
        Inbound.CANCEL_POSITIONS: no_answer,
        Inbound.ACCOUNT_UPDATES_MULTI: AccountUpdatesMulti(),
        Inbound.CANCEL_ACCOUNT_UPDATES_MULTI: no_answer,
        Inbound.MATCHING_SYMBOLS: MatchingSymbols(gateway),
        Inbound.HEAD_TIMESTAMP: HeadTimestamp(gateway),
        Inbound.CANCEL_HEAD_TIMESTAMP: CancelHeadTimestamp(),
        Inbound.COMPLETED_ORDERS: CompletedOrders(),
    }
