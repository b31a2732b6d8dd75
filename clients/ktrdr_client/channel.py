"""Channels to KTRDR services: keepalive, message size, reconnects and retries."""

import json
from typing import Any, Final

import grpc

MAXIMUM_MESSAGE_BYTES: Final = 16 * 2**20
"""Largest message in either direction; the servers have the same limit, and page."""

_RETRY_UNAVAILABLE: Final = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.1s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


def channel_options() -> list[tuple[str, Any]]:
    """Return the options of every channel.

    Calls that answer UNAVAILABLE are tried again (all of them are idempotent: what creates something carries a
    request id). Pings keep idle streams alive through routers, no more often than the servers allow. The reconnect
    backoff is capped, so that a service that comes back is noticed within a second or two.
    """
    return [
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", MAXIMUM_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAXIMUM_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.enable_retries", 1),
        ("grpc.service_config", _RETRY_UNAVAILABLE),
    ]


def open_channel(address: str) -> grpc.aio.Channel:
    """Return a channel to HOST:PORT. It belongs to the running event loop; close it there."""
    return grpc.aio.insecure_channel(address, options=channel_options())
